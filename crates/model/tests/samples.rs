//! The bodies that providers are known to send, and what each of them says.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::json;
use tallyline_model::{CallSource, Direction, Outcome, Provider, Reject, usable_id};

#[test]
fn an_early_record_says_little() {
    let event = bolna(RINGING);
    assert_eq!(event.provider, Provider::Bolna);
    assert_eq!(event.execution_id.as_deref(), Some(EXECUTION));
    assert_eq!(event.agent_ref.as_deref(), Some("00000000-0000-4000-8000-0000000000a1"));
    assert_eq!(event.call_sid.as_deref(), Some("00000000-0000-4000-8000-00000000c001"));
    assert_eq!((event.status.as_str(), event.attempt), ("ringing", 0));
    assert_eq!(event.created_at, Some(time("2026-03-03T10:11:08.193399Z")));
    assert_eq!(event.updated_at, Some(time("2026-03-03T10:11:12.004512Z")));
    assert_eq!(event.initiated_at, None);
    let facts = &event.facts;
    assert_eq!(facts.direction, Some(Direction::Outbound));
    assert_eq!(facts.source, Some(CallSource::Phone));
    assert_eq!(facts.customer_number.as_deref(), Some("+12025550143"));
    assert_eq!(facts.agent_number.as_deref(), Some("+12025550100"));
    assert_eq!(facts.telephony_seconds, None);
    assert_eq!(facts.recording_url, None);
    assert_eq!(facts.transcript, None);
    assert_eq!(event.flags, Vec::<String>::new());
    assert_stored(&event);
}

#[test]
fn the_last_record_says_it_all() {
    let event = bolna(COMPLETED);
    let facts = &event.facts;
    assert_eq!(event.call_sid.as_deref(), Some(SID));
    assert_eq!(event.initiated_at, Some(time("2026-03-03T10:11:09.5512Z")));
    assert_eq!(facts.conversation_seconds.map(|s| s.to_string()).as_deref(), Some("27.2"));
    assert_eq!(facts.telephony_seconds, Some(28));
    assert_eq!(facts.total_cost_micros, Some(35_400));
    let legs: Vec<(&str, i64)> = facts.cost_legs.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    assert_eq!(
        legs,
        [
            ("llm", 600),
            ("network", 3_750),
            ("platform", 20_000),
            ("synthesizer", 11_100),
            ("transcriber", 0),
            ("transfer_cost", 0),
        ]
    );
    assert_eq!(facts.billing_settled, Some(true));
    assert_eq!(facts.answered_by_voice_mail, Some(false));
    assert_eq!(facts.customer_name.as_deref(), Some("Asha"));
    assert_eq!(facts.hangup_by.as_deref(), Some("Callee"));
    assert_eq!(facts.hangup_reason.as_deref(), Some("Call recipient hungup"));
    assert_eq!(facts.hangup_provider_code, Some(4000));
    let url = format!("https://api.bolna.ai/recordings/call/{EXECUTION}");
    assert_eq!(facts.recording_url, Some(url));
    let interest = &facts.extracted_data.as_ref().unwrap()["Lead Quality"]["Call Outcome"];
    assert_eq!(interest["objective"], "interested");
    assert_eq!(event.flags, Vec::<String>::new());
    assert_stored(&event);
}

#[test]
fn a_call_through_all_its_records() {
    let talk = json!({
        "status": "call-disconnected", "updated_at": "2026-03-03T10:11:45",
        "transcript": "assistant: Hello\nuser:  hi\n", "conversation_duration": 27.2,
        "telephony_data": {"recording_url": ""},
    });
    let later = |status: &str, at: &str| bolna(&patched(RINGING, json!({"status": status, "updated_at": at})));
    let state = state(&[
        later("initiated", "2026-03-03T10:11:10"),
        bolna(RINGING),
        later("in-progress", "2026-03-03T10:11:17"),
        bolna(&patched(RINGING, talk)),
        bolna(COMPLETED),
    ]);
    assert_eq!(state.outcome, Outcome::Answered);
    assert_eq!(state.lifecycle, "completed");
    assert!(state.is_terminal && state.talked);
    assert_eq!(state.started_at, time("2026-03-03T10:11:09.5512Z"));
    assert_eq!(state.ringing_started_at, Some(time("2026-03-03T10:11:12.004512Z")));
    assert_eq!(state.call_answered_at, Some(time("2026-03-03T10:11:17Z")));
    assert_eq!(state.call_disconnected_at, Some(time("2026-03-03T10:11:45Z")));
    assert_eq!(state.completed_at, Some(time("2026-03-03T10:14:25.219095Z")));
    assert_eq!((state.duration_seconds, state.duration_minutes), (27, 1));
    assert_eq!(state.cost_micros, 35_400);
    assert_eq!(state.event_count, 5);
    assert_eq!(state.attempts.len(), 1);
    // The sum of the legs is 3.545 cents, the total 3.54: rounded, no mismatch.
    assert_eq!(state.flags, Vec::<String>::new());
    assert!(tallyline_model::bills(&state));
}

#[test]
fn ends_without_a_conversation() {
    let hangup = |reason: &str, code: i64| json!({"hangup_by": "Carrier", "hangup_reason": reason, "hangup_provider_code": code});
    for (status, more, outcome, code) in [
        ("busy", hangup("Call recipient was busy", 3010), Outcome::Busy, Some(3010)),
        ("no-answer", hangup("Call recipient rejected", 3020), Outcome::NoAnswer, Some(3020)),
        ("failed", json!({"hangup_provider_code": null}), Outcome::Failed, None),
        ("error", json!({}), Outcome::Failed, None),
        ("balance-low", json!({"provider_call_id": null}), Outcome::Failed, None),
        ("canceled", json!({}), Outcome::Cancelled, None),
        ("stopped", json!({}), Outcome::Cancelled, None),
        ("completed", json!({"duration": "0"}), Outcome::NoAnswer, None),
    ] {
        let body = patched(RINGING, json!({"status": status, "telephony_data": more}));
        let state = state(&[bolna(RINGING), bolna(&body)]);
        assert_eq!(state.outcome, outcome, "{status}");
        assert_eq!(state.hangup_provider_code, code, "{status}");
        assert!(state.is_terminal && !tallyline_model::bills(&state), "{status}");
    }
}

#[test]
fn an_empty_call_sid_is_none() {
    let event = bolna(INITIATED);
    assert_eq!(event.call_sid, None);
    assert_eq!(event.facts.telephony_seconds, Some(0));
    assert_eq!(event.facts.customer_number.as_deref(), Some("+919800000001"));
    assert_eq!(event.flags, Vec::<String>::new());
}

#[test]
fn inbound_customers_are_the_callers() {
    let inbound = json!({
        "telephony_data": {"call_type": "inbound", "from_number": "+12025550177", "to_number": "+12025550100"},
        "context_details": {"recipient_phone_number": "+12025550100"},
    });
    let event = bolna(&patched(COMPLETED, inbound));
    assert_eq!(event.facts.direction, Some(Direction::Inbound));
    assert_eq!(event.facts.customer_number.as_deref(), Some("+12025550177"));
    assert_eq!(event.facts.agent_number.as_deref(), Some("+12025550100"));
}

#[test]
fn numbers_by_role_stand_in() {
    let bare = r#"{"id":"x","status":"completed","user_number":"+1202","agent_number":"+1203",
        "telephony_data":{"duration":"3"},"context_details":{"recipient_phone_number":"+999"}}"#;
    let event = bolna(bare);
    assert_eq!(event.facts.direction, None);
    assert_eq!(event.facts.customer_number.as_deref(), Some("+1202"));
    assert_eq!(event.facts.agent_number.as_deref(), Some("+1203"));
}

#[test]
fn web_calls_have_no_telephony() {
    let web = json!({"provider": "web-call", "telephony_data": null, "latency_data": null, "user_number": null});
    let event = bolna(&patched(COMPLETED, web));
    assert_eq!(event.facts.source, Some(CallSource::Internet));
    assert_eq!(event.call_sid, None);
    assert_eq!(event.flags, Vec::<String>::new());
    let state = state(&[event]);
    assert_eq!((state.source, state.outcome), (CallSource::Internet, Outcome::Answered));
}

#[test]
fn thin_records_of_the_manual() {
    let thin = r#"{"id":7432382142914,"status":"completed","telephony_data":{"duration":42},"conversation_time":41}"#;
    let event = bolna(thin);
    assert_eq!(event.execution_id.as_deref(), Some("7432382142914"));
    assert_eq!(event.facts.telephony_seconds, Some(42));
    assert_eq!(state(&[event]).duration_seconds, 41);
}

#[test]
fn batch_rows_wait() {
    let batch = json!({"status": "prepared", "batch_run_details": {"status": "queued", "retried": 0}});
    let state = state(&[bolna(&patched(RINGING, batch))]);
    assert_eq!((state.lifecycle.as_str(), state.outcome), ("prepared", Outcome::InProgress));
}

#[test]
fn a_workflow_is_no_call() {
    let body = br#"{"event":"execution.terminal","schema_version":1,"workflow_id":"w","execution_id":"e","status":"completed"}"#;
    assert_eq!(try_bolna(body), Err(Reject::NotACallStatus));
}

#[test]
fn the_carriers_callback() {
    let event = twilio(TWILIO_COMPLETED);
    assert_eq!(event.provider, Provider::Twilio);
    assert_eq!(event.call_sid.as_deref(), Some(SID));
    assert_eq!(event.account_sid.as_deref(), Some("AC00000000000000000000000000000001"));
    assert_eq!(event.execution_id, None);
    assert_eq!(event.updated_at, Some(time("2026-03-03T10:12:07Z")));
    assert_eq!(event.facts.telephony_seconds, Some(42));
    assert_eq!(event.facts.sequence_number, Some(3));
    assert_eq!(event.facts.direction, Some(Direction::Outbound));
    assert_eq!(event.facts.customer_number.as_deref(), Some("+12025550143"));
    assert_eq!(event.facts.agent_number.as_deref(), Some("+12025550100"));
    assert_eq!(event.flags, Vec::<String>::new());
    assert_stored(&event);
    let state = state(&[event]);
    assert_eq!((state.execution_id.as_deref(), state.duration_seconds), (None, 42));
    assert_eq!(state.call_sids, [(SID.to_owned(), 0)]);
}

#[test]
fn every_cut_of_the_rich_record_is_refused() {
    let whole = COMPLETED.trim_end().as_bytes();
    assert_eq!(usable_id(Provider::Bolna, whole), Ok(()));
    for length in 0..whole.len() {
        let cut = &whole[..length];
        assert_eq!(try_bolna(cut), Err(Reject::NotJson), "cut at {length}");
        assert_eq!(usable_id(Provider::Bolna, cut), Err(Reject::NotJson), "cut at {length}");
        assert_eq!(usable_id(Provider::Analysis, cut), Err(Reject::NotJson), "cut at {length}");
    }
}

#[test]
fn every_cut_of_the_form_is_harmless() {
    let whole = TWILIO_COMPLETED.trim_end();
    for length in 0..whole.len() {
        // A cut form may still be one; it must never be one of another call.
        if let Ok(event) = try_twilio(&whole[..length]) {
            assert_eq!(event.call_sid.as_deref(), Some(SID), "cut at {length}");
        }
    }
}
