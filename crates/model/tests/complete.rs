//! A contact's analyses as one.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::json;
use tallyline_model::complete::{Analysed, fold};
use tallyline_model::{LeadAnalysis, Scales};
use uuid::Uuid;

const SMALL: Scales = Scales { total: 15, dimension: 3 };

fn analysed(number: u128, second: i64, analysis: LeadAnalysis) -> Analysed {
    Analysed {
        call_id: Uuid::from_u128(number),
        started_at: after(second),
        analysed_at: Some(after(1_000 - second)),
        analysis,
    }
}

#[test]
fn one_is_copied_and_none_is_none() {
    let only = LeadAnalysis { intent_score: Some(3), total_score: Some(14), ..LeadAnalysis::default() };
    let complete = fold(&[analysed(1, 0, only.clone())], SMALL).unwrap();
    assert_eq!((complete.analysis, complete.previous_calls, complete.latest_call_id), (only, 0, Uuid::from_u128(1)));
    assert_eq!(fold(&[], SMALL), None);
}

#[test]
fn the_latest_that_says_anything_counts() {
    let all = |score| LeadAnalysis {
        intent_score: score,
        urgency_score: Some(1),
        budget_score: Some(1),
        fit_score: Some(1),
        engagement_score: Some(1),
        ..LeadAnalysis::default()
    };
    let first = LeadAnalysis {
        extracted_name: Some("Asha".into()),
        cta_demo_clicked: true,
        total_score: Some(15),
        intent_level: Some("High".into()),
        reasoning: json!({ "intent": "old", "fit": "old" }),
        ..all(Some(3))
    };
    let second = LeadAnalysis {
        total_score: Some(9),
        lead_status_tag: Some("Warm".into()),
        reasoning: json!({ "intent": "new" }),
        ..all(Some(2))
    };
    let third = LeadAnalysis {
        extracted_name: Some("Asha Rao".into()),
        cta_sample_clicked: true,
        total_score: Some(5),
        ..LeadAnalysis::default()
    };
    let parts = [analysed(7, 0, first), analysed(3, 60, second), analysed(5, 120, third)];
    let complete = fold(&parts, SMALL).unwrap();
    let found = &complete.analysis;
    assert_eq!(found.scores(), [2, 1, 1, 1, 1].map(Some));
    assert_eq!(found.total_score, Some(6), "of the folded scores, not one of the calls'");
    assert_eq!((found.extracted_name.as_deref(), found.lead_status_tag.as_deref()), (Some("Asha Rao"), Some("Warm")));
    assert_eq!(found.reasoning, json!({ "intent": "new", "fit": "old" }));
    assert!(found.cta_demo_clicked && found.cta_sample_clicked && !found.cta_pricing_clicked);
    assert_eq!((complete.latest_call_id, complete.previous_calls), (Uuid::from_u128(5), 2));
    assert_eq!(complete.analysed_at, Some(after(1_000)));

    // Any order gives the same.
    let mut order = [0, 1, 2];
    let mut seen = 0;
    permute(&mut order, 0, &mut |order| {
        seen += 1;
        let shuffled: Vec<Analysed> = order.iter().map(|at| parts[*at].clone()).collect();
        assert_eq!(fold(&shuffled, SMALL).as_ref(), Some(&complete), "{order:?}");
    });
    assert_eq!(seen, 6);
}

#[test]
fn without_all_scores_the_latest_total_counts() {
    let with = |total_score| LeadAnalysis { total_score, fit_score: Some(2), ..LeadAnalysis::default() };
    let parts = [analysed(1, 0, with(Some(12))), analysed(2, 1, with(Some(6))), analysed(3, 2, with(None))];
    assert_eq!(fold(&parts, SMALL).unwrap().analysis.total_score, Some(6));
}
