//! Analyses out of what Bolna extracts, and ours in the form of posted ones.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tallyline_model::extraction::{Extraction, NoAnalysis, read};
use tallyline_model::{LeadAnalysis, Scales, analysis_body, scores};

const SMALL: Scales = Scales { total: 15, dimension: 3 };

fn of(extracted_data: Value) -> Result<LeadAnalysis, NoAnalysis> {
    read(Extraction { extracted_data: Some(&extracted_data), ..Extraction::default() }, SMALL)
}

#[test]
fn nested_and_flat_forms_read_alike() {
    let nested = json!({
        "Lead Quality": {
            "Intent Level": { "subjective": "Wants it", "objective": "High", "confidence": 0.9, "reasoning_objective": "Asked to buy" },
            "Intent Score": { "subjective": "null", "objective": "3", "confidence": 0.9 },
            "urgency-score": { "subjective": "", "objective": 2 },
        },
        "Basic CTA": { "CTA_Demo_Clicked": { "subjective": null, "objective": "Yes" } },
        "Customer": { "E-mail Address": { "subjective": "asha@example.test", "objective": null },
                      "Company.Name": { "objective": "null", "subjective": "None" } },
    });
    let found = of(nested).unwrap();
    assert_eq!((found.intent_score, found.intent_level.as_deref()), (Some(3), Some("High")));
    assert_eq!(found.reasoning, json!({ "intent": "Asked to buy" }));
    assert_eq!((found.urgency_score, found.cta_demo_clicked), (Some(2), true));
    assert_eq!((found.extracted_email.as_deref(), found.company_name.as_deref()), (Some("asha@example.test"), None));
    assert_eq!((found.budget_score, found.total_score), (None, None), "nothing is made up");

    let flat = json!({ "intent_level": "High", "intentScore": "3", "URGENCY SCORE": 2.0, "cta demo": true,
                       "email": "asha@example.test", "reasoning": { "intent": "Asked to buy" } });
    assert_eq!(of(flat).unwrap(), found);
}

/// Defect 38 of the platform: Python literals with apostrophes gave leads with zeros.
#[test]
fn defect_38_strings_of_every_form_are_read_and_rubbish_is_no_lead() {
    let python = json!(
        "{'intent_score': 3, 'total_score': '12', 'lead_status_tag': 'Hot', 'cta_pricing_clicked': True, \
        'company_name': None, 'reasoning': {'intent': \"It's what they need, they said 'yes'\"}, 'name': 'D\\'Souza'}"
    );
    let found = read(Extraction { agent_extraction: Some(&python), ..Extraction::default() }, SMALL).unwrap();
    assert_eq!((found.intent_score, found.total_score), (Some(3), Some(12)));
    assert_eq!(found.reasoning["intent"], "It's what they need, they said 'yes'");
    assert_eq!((found.extracted_name.as_deref(), found.company_name), (Some("D'Souza"), None));
    assert!(found.cta_pricing_clicked);

    let text = json!("{\"intent_score\": 2}");
    let found = read(Extraction { custom_extractions: Some(&text), ..Extraction::default() }, SMALL).unwrap();
    assert_eq!(found.intent_score, Some(2));

    let cut = json!("{'intent_score': 3, 'reasoning': {'intent': 'they sa");
    assert_eq!(
        read(Extraction { agent_extraction: Some(&cut), ..Extraction::default() }, SMALL),
        Err(NoAnalysis::Unreadable)
    );
}

#[test]
fn sources_are_trusted_in_order_and_fill_each_other_in() {
    let (data, custom, agent) = (
        json!({ "intent_score": 1, "name": "null" }),
        json!("{'intent_score': 2, 'fit_score': 2, 'name': 'Asha'}"),
        json!({ "intent_score": 3, "fit_score": 3, "urgency_score": 3, "name": "Ravi" }),
    );
    let all =
        Extraction { extracted_data: Some(&data), custom_extractions: Some(&custom), agent_extraction: Some(&agent) };
    let found = read(all, SMALL).unwrap();
    assert_eq!(found.scores(), [Some(1), Some(3), None, Some(2), None]);
    assert_eq!(found.extracted_name.as_deref(), Some("Asha"));
    // What cannot be read does not spoil what can.
    let broken = json!("{'x");
    let found = read(Extraction { custom_extractions: Some(&broken), ..all }, SMALL).unwrap();
    assert_eq!(found.scores(), [Some(1), Some(3), None, Some(3), None]);
}

#[test]
fn level_words_are_scores_only_on_a_scale_of_three() {
    let words = json!({ "intent": "Low", "urgency_level": "medium", "budget_constraint": "Yes", "fit": "Excellent", "fit_score": 9,
                        "engagement_health": "High", "engagement_score": 1 });
    assert_eq!(of(words.clone()).unwrap().scores(), [Some(1), Some(2), Some(3), None, Some(1)]);
    let wide = Scales { total: 100, dimension: 20 };
    let found = read(Extraction { extracted_data: Some(&words), ..Extraction::default() }, wide).unwrap();
    assert_eq!(found.scores(), [None, None, None, Some(9), Some(1)]);
    assert_eq!(found.intent_level.as_deref(), Some("Low"));
}

#[test]
fn what_says_nothing_about_a_lead_is_no_analysis() {
    for given in [
        json!({}),
        json!({ "Lead Quality": { "Call Outcome": { "subjective": "Asked for a quote.", "objective": "interested" } } }),
        json!({ "name": "Asha", "email": "asha@example.test" }),
        json!({ "intent_score": 7, "total_score": -1 }),
        json!({ "intent_level": "null", "tag": "n/a" }),
        json!("null"),
        json!([1, 2]),
    ] {
        assert_eq!(of(given.clone()), Err(NoAnalysis::NothingUsable), "{given}");
    }
    assert_eq!(read(Extraction::default(), SMALL), Err(NoAnalysis::NothingUsable));
    assert_eq!(of(json!("no object")), Err(NoAnalysis::Unreadable));
}

/// Defect 37 of the platform: placeholders became contacts.
#[test]
fn defect_37_placeholders_and_what_is_no_address_are_absent() {
    for (said, want) in [
        ("asha@example.test", Some("asha@example.test")),
        ("unknown@example.com", None),
        ("asha at example", None),
        ("@example.test", None),
        ("a b@example.test", None),
        ("Unknown", None),
    ] {
        let found = of(json!({ "intent_score": 1, "email": said, "name": "Anonymous" })).unwrap();
        assert_eq!((found.extracted_email.as_deref(), found.extracted_name), (want, None), "{said}");
    }
}

#[test]
fn an_execution_keeps_its_extractions() {
    let event = rich(json!({ "agent_extraction": "{'a': 'b'}", "custom_extractions": { "x": 1 } }));
    assert_eq!(event.facts.agent_extraction, Some(json!("{'a': 'b'}")));
    assert_eq!(event.facts.custom_extractions, Some(json!({ "x": 1 })));
    let state = state(&[event]);
    assert_eq!(
        (state.agent_extraction, state.custom_extractions),
        (Some(json!("{'a': 'b'}")), Some(json!({ "x": 1 })))
    );
    let large = rich(json!({ "custom_extractions": { "x": "y".repeat(300_000) } }));
    assert_eq!(large.facts.custom_extractions, None);
    assert!(large.flags.contains(&"too_long:custom_extractions".to_owned()));
}

#[test]
fn our_own_analyses_are_read_back_as_they_were_written() {
    let given: Value = serde_json::from_str(ANALYSIS).unwrap();
    let mut full = of(given).unwrap();
    scores::fit(&mut full, SMALL);
    assert_eq!(full.total_score, Some(13));
    for written in [full, LeadAnalysis { intent_score: Some(0), cta_sample_clicked: true, ..LeadAnalysis::default() }] {
        let at = time("2026-03-03T10:14:25.219095Z");
        let body = analysis_body(EXECUTION, at, &written);
        assert_eq!(body, analysis_body(EXECUTION, at, &written));
        let event = analysis(std::str::from_utf8(&body).unwrap());
        assert_eq!(event.facts.analysis.as_ref(), Some(&written));
        assert_eq!((event.updated_at, event.execution_id.as_deref()), (Some(at), Some(EXECUTION)));
        assert_eq!(event.flags, Vec::<String>::new());
    }
}

/// Break tried: `analysis_object` without the two members.
#[test]
fn a_follow_up_is_extracted_and_goes_along_with_our_own_analyses() {
    let day = "2026-03-09".parse().ok();
    for (extracted, at, date) in [
        (json!({ "Follow-Up Date": "2026-03-09" }), None, day),
        (
            json!({ "Call": { "follow_up_at": { "objective": "2026-03-09T17:00:00+05:30" } } }),
            Some("2026-03-09T11:30:00Z"),
            None,
        ),
        (json!({ "follow up at": "2026-03-09T17:00:00" }), None, day),
    ] {
        let found = of(extracted.clone()).unwrap();
        assert_eq!((found.follow_up_at, found.follow_up_date), (at.map(time), date), "{extracted}");
        let body = analysis_body(EXECUTION, time("2026-03-03T10:14:25Z"), &found);
        let event = analysis(std::str::from_utf8(&body).unwrap());
        assert_eq!(event.facts.analysis, Some(found));
    }
    assert!(of(json!({ "follow_up_date": "next week" })).is_err());
}
