//! Legs beside a call's dials, earlier dials, and parts of a price that are in no sum.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tallyline_model::{CallState, Event, LegKind, LegState, Outcome, merge};

const LEG: &str = "CA000000000000000000000000000000f1";
const OTHER: &str = "CA000000000000000000000000000000f2";

fn leg_callback(sid: &str, parent: &str, status: &str, seconds: i64, more: &str) -> Event {
    let stamp = after(seconds).format("%a, %d %b %Y %H:%M:%S %%2B0000");
    let parent = if parent.is_empty() { String::new() } else { format!("&ParentCallSid={parent}") };
    twilio(&format!(
        "CallSid={sid}&CallStatus={status}&Timestamp={stamp}&Direction=outbound-dial&From=%2B1100&To=%2B1177{parent}{more}"
    ))
}

fn told(status: &str, seconds: i64, transfer: Value) -> Event {
    let more = json!({
        "conversation_duration": 30, "telephony_data": { "provider_call_id": SID }, "transfer_call_data": transfer,
    });
    record(status, seconds, more)
}

fn without_legs(state: CallState) -> CallState {
    CallState { legs: Vec::new(), ..state }
}

fn keys(state: &CallState) -> Vec<&str> {
    state.legs.iter().map(|leg| leg.key.as_str()).collect()
}

#[test]
fn a_leg_changes_nothing_but_the_legs() {
    let call = [told("completed", 50, json!(null)), callback("completed", 49, "&CallDuration=40")];
    let plain = state(&call);
    let child = leg_callback(LEG, SID, "failed", 400, "&CallDuration=90");
    let with_child = state(&[call[0].clone(), call[1].clone(), child.clone()]);
    assert_eq!(keys(&with_child), [LEG]);
    assert_eq!(without_legs(with_child), plain);
    // Legs alone are no call.
    assert_eq!(merge([&child]), None);
}

#[test]
fn both_providers_tell_of_one_leg() {
    let transfer = json!({ "provider_call_id": LEG.to_uppercase(), "status": "in-progress", "cost": "1.50" });
    let events = [
        told("completed", 50, transfer),
        leg_callback(LEG, SID, "initiated", 20, ""),
        leg_callback(LEG, SID, "completed", 122, "&CallDuration=95&RecordingUrl=https%3A%2F%2Fr"),
    ];
    let state = state(&events);
    let want = LegState {
        key: LEG.to_owned(),
        kind: LegKind::Transfer,
        lifecycle: "completed".to_owned(),
        outcome: Outcome::Answered,
        duration_seconds: Some(95),
        cost_reported: Some("1.50".parse().unwrap()),
        to_number: Some("+1177".to_owned()),
        from_number: Some("+1100".to_owned()),
        recording_url: Some("https://r".to_owned()),
        hangup_by: None,
        hangup_reason: None,
        hangup_provider_code: None,
        termination_reason: None,
        started_at: Some(after(20)),
        ended_at: Some(after(122)),
    };
    assert_eq!(state.legs, [want]);
    assert_eq!(state.legs[0].cost_reported.unwrap().to_string(), "1.50", "the digits as given");
    assert_eq!(state.call_sids, [(SID.to_owned(), 0)]);
}

/// The eleven statuses of a transfer, and what is none.
#[test]
fn a_transfers_status_is_the_legs() {
    for (status, seconds, outcome) in [
        (json!("queued"), "0", Outcome::InProgress),
        (json!("initiated"), "0", Outcome::InProgress),
        (json!("ringing"), "0", Outcome::InProgress),
        (json!("in-progress"), "0", Outcome::InProgress),
        (json!("call-disconnected"), "9", Outcome::InProgress),
        (json!("completed"), "9", Outcome::Answered),
        (json!("completed"), "0", Outcome::NoAnswer),
        (json!("no-answer"), "0", Outcome::NoAnswer),
        (json!("busy"), "0", Outcome::Busy),
        (json!("failed"), "0", Outcome::Failed),
        (json!("canceled"), "0", Outcome::Cancelled),
        (json!("balance-low"), "0", Outcome::Failed),
        (json!("gone"), "0", Outcome::InProgress),
        (json!(null), "0", Outcome::InProgress),
        (json!(7), "0", Outcome::InProgress),
    ] {
        let transfer = json!({ "provider_call_id": "p-1", "status": status, "duration": seconds });
        let state = state(&[told("completed", 50, transfer)]);
        assert_eq!(state.legs[0].outcome, outcome, "{status}");
        assert_eq!((state.outcome, state.duration_seconds), (Outcome::Answered, 30), "{status}");
    }
    let machine = json!({ "status": "completed", "duration": 9, "hangup_reason": "voicemail_detected" });
    assert_eq!(state(&[told("completed", 50, machine)]).legs[0].outcome, Outcome::Voicemail);
    let guessed = [
        told("completed", 50, json!(null)),
        leg_callback(LEG, SID, "completed", 9, "&CallDuration=4&AnsweredBy=machine_start"),
    ];
    assert_eq!(state(&guessed).legs[0].outcome, Outcome::Voicemail);
}

#[test]
fn fields_of_a_leg_never_go_back_to_empty() {
    let full = json!({
        "provider_call_id": "p-1", "status": "completed", "duration": 9, "cost": 123, "to_number": "+1177",
        "recording_url": "https://r", "hangup_by": "Callee", "hangup_reason": "x", "hangup_code": 7, "termination_reason": "y"
    });
    let early = state(&[told("in-progress", 20, full.clone())]);
    let empty = json!({ "provider_call_id": "p-1", "status": null, "duration": "", "cost": null, "to_number": "" });
    let later = state(&[told("in-progress", 20, full), told("completed", 50, empty)]);
    assert_eq!(early.legs, later.legs);
    for nothing in [json!(null), json!({}), json!(""), json!({ "status": null, "duration": "" })] {
        assert_eq!(state(&[told("completed", 50, nothing)]).legs, []);
    }
}

#[test]
fn a_leg_without_an_id_is_the_one_that_is_named() {
    let named = |at, id: Value| told("in-progress", at, json!({ "provider_call_id": id, "status": "ringing" }));
    assert_eq!(keys(&state(&[named(1, json!(null)), named(2, json!(""))])), ["transfer:0"]);
    assert_eq!(keys(&state(&[named(1, json!(null)), named(2, json!("a"))])), ["a"]);
    assert_eq!(keys(&state(&[named(2, json!("a")), named(3, json!(null))])), ["a"]);
    // Of two it is the one before, or else the one behind.
    let three = state(&[named(1, json!("a")), named(2, json!("b")), told("completed", 3, json!({ "duration": 7 }))]);
    assert_eq!(three.legs.iter().map(|leg| leg.duration_seconds).collect::<Vec<_>>(), [None, Some(7)]);
    let retried = record("completed", 9, json!({ "retry_count": 1, "transfer_call_data": { "status": "busy" } }));
    assert_eq!(keys(&state(&[named(1, json!("a")), retried])), ["a", "transfer:1"]);
}

#[test]
fn whose_sid_it_is_decides_what_a_callback_is_of() {
    let by_itself = leg_callback(LEG, "", "completed", 60, "&CallDuration=95");
    let transfer = || json!({ "provider_call_id": LEG });
    assert_eq!(state(&[told("completed", 50, transfer()), by_itself.clone()]).legs[0].duration_seconds, Some(95));
    // What a record names as a dial is a dial, also where it is named as a leg.
    let both = record(
        "completed",
        50,
        json!({ "telephony_data": { "provider_call_id": LEG }, "transfer_call_data": transfer() }),
    );
    let state = state(&[both, by_itself]);
    assert_eq!((state.duration_seconds, state.legs[0].duration_seconds), (95, None));
}

#[test]
fn legs_of_legs_are_legs() {
    let events = [
        told("completed", 50, json!(null)),
        leg_callback(LEG, SID, "completed", 60, ""),
        leg_callback(OTHER, LEG, "busy", 61, ""),
    ];
    assert_eq!(keys(&state(&events)), [LEG, OTHER]);
}

#[test]
fn earlier_dials_are_dials_where_no_event_says_more() {
    let history = |items: Value| {
        record("completed", 90, json!({ "retry_count": 2, "conversation_duration": 9, "retry_history": items }))
    };
    let item =
        |attempt: Value, status: &str| json!({ "attempt": attempt, "status": status, "at": "2026-03-03T11:00:00Z" });
    let dials = |state: &CallState| -> Vec<(i32, String, Outcome)> {
        state.attempts.iter().map(|dial| (dial.attempt, dial.lifecycle.clone(), dial.outcome)).collect()
    };
    let full = history(json!([item(json!(1), "no-answer"), item(json!("2"), "voicemail"), item(json!(3), "failed")]));
    let state_of = state(std::slice::from_ref(&full));
    assert_eq!(
        dials(&state_of),
        [
            (0, "no-answer".to_owned(), Outcome::NoAnswer),
            (1, "voicemail".to_owned(), Outcome::Voicemail),
            (2, "completed".to_owned(), Outcome::Answered)
        ]
    );
    assert_eq!(state_of.attempts[0].ended_at, Some(time("2026-03-03T11:00:00Z")));
    assert_eq!(state_of.attempts[0].started_at, None, "nobody said when it began");
    let busy = record("busy", 5, json!({ "retry_count": 0 }));
    assert_eq!(dials(&state(&[busy, full]))[0], (0, "busy".to_owned(), Outcome::Busy));
    for (items, flags) in [
        (json!([]), vec![]),
        (json!(null), vec![]),
        (json!(""), vec![]),
        (json!("x"), vec!["bad_field:retry_history"]),
        (json!({}), vec!["bad_field:retry_history"]),
        (json!([7, item(json!(1), "busy")]), vec!["bad_field:retry_history"]),
        (json!([item(json!(0), "busy")]), vec!["bad_field:retry_history", "bad_field:retry_history.attempt"]),
        (json!([item(json!(5), "busy")]), vec!["bad_field:retry_history", "bad_field:retry_history.attempt"]),
        (json!([item(json!(1), "")]), vec!["bad_field:retry_history"]),
    ] {
        let shown = items.to_string();
        let state = state(&[history(items)]);
        assert_eq!(state.flags, flags, "{shown}");
        assert!(state.attempts.len() <= 2, "{shown}");
    }
    let many: Vec<Value> = (0..10_000).map(|n| item(json!(1 + n % 4), "busy")).collect();
    let event = history(json!(many));
    assert_stored(&event);
    assert_eq!((event.facts.past_dials.len(), event.flags), (4, vec!["truncated:retry_history".to_owned()]));
}

#[test]
fn other_parts_of_a_price_are_kept_and_in_no_sum() {
    let legs = |breakdown: Value| rich(json!({ "cost_breakdown": breakdown }));
    let event =
        legs(json!({ "magic": 9, "llm_breakdown": { "conversation": 5 }, "note": "7", "gone": null, "list": [1] }));
    assert_eq!(event.facts.cost_legs.get("magic"), Some(&90_000));
    assert_eq!(event.facts.cost_legs.len(), 7, "the six and the one");
    assert_eq!(state(&[event]).flags, Vec::<String>::new());
    let mut many = json!({});
    for n in 0..100 {
        many[format!("leg{n:03}")] = json!(1);
    }
    many["n".repeat(65)] = json!(1);
    many[" "] = json!(1);
    many["a\u{0}b"] = json!(1);
    let event = legs(many);
    assert_eq!(event.facts.cost_legs.len(), 6 + 16);
    assert!(event.facts.cost_legs.contains_key("leg015") && !event.facts.cost_legs.contains_key("leg016"));
    assert_eq!(event.flags, ["truncated:cost_breakdown"]);
    let negative = legs(json!({ "gold": -1, "iron": 1e15 }));
    assert_eq!((negative.facts.cost_legs.len(), negative.flags), (6, vec!["bad_field:cost_breakdown.*".to_owned()]));
}

#[test]
fn setup_and_usage_are_read_in_every_spelling() {
    let snake = json!({
        "llm_model": { "m": { "input": "5", "output": 6 }, "n": null }, "llm_tokens": 11, "llmTokens": 99, "transcriber_duration": "7.25",
        "llm_usage_breakdown": { "conversation": { "provider": "a" }, "analytics": { "provider": "b" }, "other": { "provider": "c" } }
    });
    let event = rich(json!({ "usage_breakdown": null })).facts.usage;
    assert_eq!(event, tallyline_model::Usage::default());
    let mut body: Value = serde_json::from_str(COMPLETED).unwrap();
    body["usage_breakdown"] = snake;
    let usage = bolna(&body.to_string()).facts.usage;
    assert_eq!(
        (usage.llm_tokens, usage.llm_models["m"].input, usage.llm_models["n"].output),
        (Some(11), Some(5), None)
    );
    assert_eq!(usage.llm_providers.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(usage.transcriber_seconds.unwrap().to_string(), "7.25");
    let camel = rich(json!({})).facts.usage;
    assert_eq!((camel.llm_tokens, camel.synthesizer_characters), (Some(0), Some(111)));
    assert_eq!(camel.llm_models["azure/gpt-4.1-mini"].input, Some(1397));
    for odd in [json!([]), json!("x"), json!(7)] {
        let event = rich(json!({ "usage_breakdown": odd, "retry_config": odd, "batch_id": {}, "scheduled_at": 7 }));
        let paths = ["usage_breakdown", "retry_config", "batch_id", "scheduled_at"];
        assert!(paths.iter().all(|path| flagged(&event, path)), "{odd}");
    }
    let mut many = json!({});
    for n in 0..100 {
        many[format!("m{n:03}")] = json!({ "input": n });
    }
    let event = rich(
        json!({ "usage_breakdown": { "llm_model": many }, "retry_config": { "retry_on_statuses": vec!["busy"; 50] } }),
    );
    assert_eq!(event.facts.usage.llm_models.len(), 16);
    assert_eq!(event.facts.setup.retry.unwrap().on_statuses.len(), 16);
    assert_eq!(event.flags, ["truncated:retry_config.retry_on_statuses", "truncated:usage_breakdown.llm_model"]);
}

#[test]
fn an_address_is_one_or_is_none() {
    let email = |data: Value| rich(json!({ "context_details": { "recipient_data": data } })).facts.customer_email;
    assert_eq!(email(json!({ "email": "asha@example.org" })).as_deref(), Some("asha@example.org"));
    assert_eq!(email(json!("{\"email_address\":\"a@b.co\"}")).as_deref(), Some("a@b.co"));
    assert_eq!(email(json!({ "customer_email": "a@b.co", "email": "" })).as_deref(), Some("a@b.co"));
    for none in ["unknown@example.com", "UNKNOWN@example.com", "asha", "@b.co", "a@b", "a b@c.de", "null"] {
        assert_eq!(email(json!({ "email": none })), None, "{none}");
    }
    assert_eq!(email(json!({ "email": 7 })), None);
}
