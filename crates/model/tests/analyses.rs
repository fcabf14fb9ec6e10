//! Analyses made elsewhere.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tallyline_model::{Event, LeadAnalysis, Reject, merge};

fn posted(changes: Value) -> String {
    let found: Value = serde_json::from_str(ANALYSIS).unwrap();
    let body = json!({
        "execution_id": EXECUTION, "analysis_type": "individual",
        "analyzed_at": "2026-03-03T10:20:00Z", "analysis": found,
    });
    patched(&body.to_string(), changes)
}

fn lead(changes: Value) -> (LeadAnalysis, Vec<String>) {
    let Event { facts, flags, .. } = analysis(&posted(json!({ "analysis": changes })));
    (facts.analysis.unwrap(), flags)
}

#[test]
fn a_full_analysis() {
    let event = analysis(&posted(json!({})));
    assert_eq!(event.status, "analysis");
    assert_eq!(event.execution_id.as_deref(), Some(EXECUTION));
    assert_eq!(event.flags, Vec::<String>::new());
    assert_stored(&event);
    let lead = event.facts.analysis.clone().unwrap();
    assert_eq!(lead.intent_score, Some(3));
    assert_eq!(lead.budget_constraint.as_deref(), Some("Maybe"));
    assert_eq!(lead.total_score, Some(13));
    assert_eq!(lead.lead_status_tag.as_deref(), Some("Hot"));
    assert_eq!(lead.demo_book_datetime, Some(time("2025-12-06T11:30:00Z")));
    assert_eq!(lead.smart_notification.as_deref(), Some("Wants pricing, call Friday"));
    assert_eq!((lead.extracted_email, lead.company_name), (None, None));
    assert_eq!(lead.transcript_summary.as_deref(), Some("…"));
    assert_eq!(lead.reasoning["cta_behavior"], "…");
}

#[test]
fn totals() {
    let (given, flags) = lead(json!({"total_score": 12}));
    assert_eq!((given.total_score, flags), (Some(12), vec![]));
    for absent in [json!(null), json!(""), json!("null")] {
        let (none, flags) = lead(json!({ "total_score": absent }));
        assert_eq!((none.total_score, flags), (None, vec![]));
    }
}

#[test]
fn scores() {
    for (score, want, flagged) in [
        (json!(0), Some(0), false),
        (json!(100), Some(100), false),
        (json!("3"), Some(3), false),
        (json!(3.0), Some(3), false),
        (json!("null"), None, false),
        (json!(null), None, false),
        (json!(101), None, true),
        (json!(-1), None, true),
        (json!(2.5), None, true),
        (json!("high"), None, true),
        (json!(true), None, true),
        (json!([3]), None, true),
    ] {
        let (found, flags) = lead(json!({"fit_score": score, "total_score": null}));
        assert_eq!(found.fit_score, want, "{score}");
        let flag = "bad_field:analysis.fit_score".to_owned();
        assert_eq!(flags.contains(&flag), flagged, "{score}");
    }
}

#[test]
fn people_and_actions() {
    let (found, flags) = lead(json!({
        "cta_pricing_clicked": "Yes", "cta_demo_clicked": true, "cta_followup_clicked": "No",
        "cta_sample_clicked": "perhaps", "lead_status_tag": "null",
        "extraction": {"name": "Zoë\u{0} 😀", "email_address": "Unknown@Example.com", "company_name": "null"},
    }));
    assert!(found.cta_pricing_clicked && found.cta_demo_clicked);
    assert!(!found.cta_followup_clicked && !found.cta_sample_clicked);
    assert!(!found.cta_escalated_to_human);
    assert_eq!(found.extracted_name.as_deref(), Some("Zoë 😀"));
    assert_eq!((found.extracted_email, found.company_name), (None, None));
    assert_eq!(found.lead_status_tag, None);
    assert_eq!(flags, ["bad_field:analysis.cta_sample_clicked"]);
}

#[test]
fn long_words_are_cut_between_characters_and_messages_are_whole() {
    let (found, flags) = lead(json!({"intent_level": "😀".repeat(60)}));
    assert_eq!(found.intent_level, Some("😀".repeat(50)));
    assert_eq!(flags, ["truncated:analysis.intent_level"]);
    let said = "Wants a quote by Friday. ".repeat(99);
    let (whole, flags) = lead(json!({"extraction": {"smartnotification": said.as_str()}}));
    assert_eq!((whole.smart_notification, flags), (Some(said), vec![]));
}

#[test]
fn what_is_no_lead() {
    for (changes, reason) in [
        (json!({"analysis_type": "complete"}), Reject::NotIndividual),
        (json!({"analysis_type": null}), Reject::NotIndividual),
        (json!({"analysis": "{}"}), Reject::NoAnalysis),
        (json!({"analysis": null}), Reject::NoAnalysis),
        (json!({"execution_id": null}), Reject::NoId),
        (json!({"execution_id": ["x"]}), Reject::BadId),
    ] {
        assert_eq!(try_analysis(&posted(changes.clone())), Err(reason), "{changes}");
    }
}

#[test]
fn the_latest_analysis_is_the_calls() {
    let first = analysis(&posted(json!({})));
    let second = analysis(&posted(json!({
        "analyzed_at": "2026-03-03T10:21:00Z", "analysis": {"lead_status_tag": "Cold"},
    })));
    assert_eq!(merge([&first, &second]), None);
    let state = state(&[bolna(COMPLETED), second, first]);
    assert_eq!(state.analysis.unwrap().lead_status_tag.as_deref(), Some("Cold"));
    assert_eq!(state.analysis_at, Some(time("2026-03-03T10:21:00Z")));
    assert_eq!((state.event_count, state.lifecycle.as_str()), (1, "completed"));
}

#[test]
fn when_to_follow_up() {
    let day = |text: &str| Some(text.parse().unwrap());
    let bad = |key: &str| vec![format!("bad_field:analysis.{key}")];
    for (changes, at, date, flags) in [
        (json!({}), None, None, vec![]),
        (json!({"follow_up_date": "2026-03-05"}), None, day("2026-03-05"), vec![]),
        (json!({"follow_up_at": "2026-03-05T17:00:00+05:30"}), Some("2026-03-05T11:30:00Z"), None, vec![]),
        (json!({"follow_up_at": "2026-03-05T23:30:00"}), None, day("2026-03-05"), vec![]),
        (json!({"follow_up_at": "2026-03-05"}), None, day("2026-03-05"), vec![]),
        (json!({"follow_up_date": "2026-03-06T01:00:00Z"}), Some("2026-03-06T01:00:00Z"), None, vec![]),
        (
            json!({"follow_up_at": "2026-03-05T17:00:00Z", "follow_up_date": "2026-03-09"}),
            Some("2026-03-05T17:00:00Z"),
            day("2026-03-09"),
            vec![],
        ),
        (json!({"follow_up_at": "2026-03-04", "follow_up_date": "2026-03-09"}), None, day("2026-03-09"), vec![]),
        (json!({"follow_up_at": null, "follow_up_date": "null"}), None, None, vec![]),
        (json!({"follow_up_at": "None"}), None, None, vec![]),
        (json!({"follow_up_at": "next week"}), None, None, bad("follow_up_at")),
        (json!({"follow_up_date": "2026-02-30"}), None, None, bad("follow_up_date")),
        (json!({"follow_up_date": "0000-00-00"}), None, None, bad("follow_up_date")),
        (json!({"follow_up_date": 20260305}), None, None, bad("follow_up_date")),
        (json!({"follow_up_date": ["2026-03-05"]}), None, None, bad("follow_up_date")),
    ] {
        let event = analysis(&posted(json!({ "analysis": changes })));
        assert_stored(&event);
        let found = event.facts.analysis.unwrap();
        assert_eq!((found.follow_up_at, found.follow_up_date), (at.map(time), date), "{changes}");
        assert_eq!(event.flags, flags, "{changes}");
        assert_eq!(found.asks_follow_up(), at.is_some() || date.is_some(), "{changes}");
    }
}

#[test]
fn who_wants_to_be_called_again() {
    for (changes, asks) in [
        (json!({"lead_status_tag": "Follow-Up Later"}), true),
        (json!({"lead_status_tag": "follow up much LATER"}), true),
        (json!({"lead_status_tag": "FOLLOWLATER"}), true),
        (json!({"lead_status_tag": "Later, follow"}), false),
        (json!({"lead_status_tag": "Follow up"}), false),
        (json!({"lead_status_tag": null}), false),
        (json!({"cta_followup_clicked": "Yes"}), true),
        (json!({"cta_followup_clicked": "No"}), false),
        (json!({"cta_demo_clicked": "Yes"}), false),
    ] {
        assert_eq!(lead(changes.clone()).0.asks_follow_up(), asks, "{changes}");
    }
}
