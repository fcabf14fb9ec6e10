//! How calls come to their end: retries, missing, late, repeated and contradictory events.

use serde_json::json;
use tallyline_jobs::process_call_events;
use tallyline_testkit::TestDb;

use super::{EXECUTION, SID, applied_in_any_order, apply, call, callback, these};
use crate::support::*;

const SECOND: &str = "CA00000000000000000000000000000002";
const THIRD: &str = "CA00000000000000000000000000000003";

/// `no-answer`, again `no-answer`, then `completed`: three dials, one call, one charge.
#[tokio::test]
async fn an_auto_retry_is_one_call_of_three_dials() {
    let dial = |status, second, attempt: i32, sid: &str, more: serde_json::Value| {
        let mut body = json!({ "retry_count": attempt, "telephony_data": { "provider_call_id": sid } });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        ("bolna", bolna(EXECUTION, status, second, body))
    };
    let row = applied_in_any_order(&[
        dial("ringing", 12, 0, SID, json!({})),
        dial("no-answer", 40, 0, SID, json!({})),
        ("twilio", callback(SID, "no-answer", 1, "")),
        dial("scheduled", 41, 1, SID, json!({})),
        ("twilio", callback(SECOND, "busy", 200, "")),
        dial("no-answer", 300, 1, SECOND, json!({})),
        dial("scheduled", 301, 2, "", json!({})),
        dial("completed", 400, 2, THIRD, json!({ "conversation_duration": 61.9, "total_cost": 3.54 })),
    ])
    .await;
    let keys = ["outcome", "attempt", "duration_seconds", "duration_minutes", "charged", "cost_micros", "balance"];
    assert_eq!(these(&row, &keys), json!(["answered", 2, 61, 2, 2_000_000, 35_400, 13_000_000]));
    let dials: Vec<_> =
        row["attempts"].as_array().unwrap().iter().map(|a| these(a, &["attempt", "outcome", "call_sid"])).collect();
    let want = [json!([0, "no_answer", SID]), json!([1, "no_answer", SECOND]), json!([2, "answered", THIRD])];
    assert_eq!(dials, want);
    assert_eq!(row["flags"], json!(["conflicting_terminals"]), "busy by the carrier, no answer by the record");
    assert_eq!(row["sids"], json!([SID, SECOND, THIRD]));
}

#[tokio::test]
async fn a_web_call_has_no_number_and_is_charged_like_any() {
    let row = applied_in_any_order(&[
        (
            "bolna",
            bolna(
                EXECUTION,
                "in-progress",
                12,
                json!({ "provider": "web-call", "telephony_data": null, "context_details": null }),
            ),
        ),
        (
            "bolna",
            bolna(
                EXECUTION,
                "completed",
                50,
                json!({
                    "provider": "web-call", "telephony_data": null, "context_details": null, "latency_data": null,
                    "conversation_duration": 20, "transcript": "assistant: Hello\nuser:  hi\n"
                }),
            ),
        ),
    ])
    .await;
    let keys = ["call_source", "phone_number", "contact_id", "lead_type", "outcome", "charged", "transcript"];
    let transcript = "assistant: Hello\nuser:  hi\n";
    assert_eq!(these(&row, &keys), json!(["internet", null, null, null, "answered", 1_000_000, transcript]));
    assert_eq!(row["sids"], json!([]));
}

#[tokio::test]
async fn an_inbound_call_without_initiated_belongs_to_its_caller() {
    let inbound = json!({
        "initiated_at": null, "conversation_duration": 20, "context_details": { "recipient_phone_number": null },
        "telephony_data": { "call_type": "inbound", "from_number": "+12025550143", "to_number": "+12025550100" }
    });
    let row = applied_in_any_order(&[("bolna", bolna(EXECUTION, "completed", 50, inbound))]).await;
    let keys = ["lead_type", "phone_number", "contact_id", "outcome", "started_at", "call_source"];
    let start = "2026-03-03T10:11:08.193399+00:00";
    assert_eq!(these(&row, &keys), json!(["inbound", "+12025550143", "+12025550143", "answered", start, "phone"]));
}

/// Words without content come last here, and a soft end with another length.
#[tokio::test]
async fn late_transcripts_and_recordings_are_taken_and_never_lost() {
    let url = "https://api.bolna.ai/recordings/call/1";
    let text = "assistant: Hello\nuser:  hi\n";
    let row = applied_in_any_order(&[
        ("bolna", bolna(EXECUTION, "completed", 50, json!({ "conversation_duration": 20 }))),
        ("bolna", bolna(EXECUTION, "completed", 55, json!({ "conversation_duration": 20, "transcript": text }))),
        ("bolna", bolna(EXECUTION, "completed", 60, json!({ "telephony_data": { "recording_url": url } }))),
        (
            "bolna",
            bolna(EXECUTION, "completed", 70, json!({ "transcript": "", "telephony_data": { "recording_url": "" } })),
        ),
        (
            "bolna",
            bolna(EXECUTION, "call-disconnected", 80, json!({ "transcript": null, "conversation_duration": 19 })),
        ),
    ])
    .await;
    let keys = ["transcript", "recording_url", "duration_seconds", "charged", "call_lifecycle_status"];
    assert_eq!(these(&row, &keys), json!([text, url, 20, 1_000_000, "completed"]));
    assert_eq!(row["call_disconnected_at"], json!("2026-03-03T10:12:20+00:00"), "the first-seen time is filled in");
}

/// The price settles after the end: the difference moves, nothing is counted twice.
#[tokio::test]
async fn a_second_completed_settles_the_price() {
    let priced = |second, cost: f64, is_settled: bool, seconds: i32| {
        let more = json!({
            "conversation_duration": seconds, "total_cost": cost, "billing_settled": is_settled,
            "cost_breakdown": { "llm": 1.0, "network": cost - 1.0, "transfer_cost": 0.5, "price_of_magic": 9 }
        });
        ("bolna", bolna(EXECUTION, "completed", second, more))
    };
    let row = applied_in_any_order(&[
        priced(150, 3.54, false, 61),
        priced(700, 5.25, true, 60),
        priced(130, 9.0, false, 100),
    ])
    .await;
    let keys = ["cost_micros", "billing_settled", "duration_seconds", "credits_micros", "charged", "balance"];
    assert_eq!(these(&row, &keys), json!([52_500, true, 60, 1_000_000, 1_000_000, 14_000_000]));
    let legs = json!({ "llm": 10_000, "network": 42_500, "transfer_cost": 5_000, "price_of_magic": 90_000 });
    assert_eq!(row["bolna_metadata"]["cost_legs_micros"], legs);
    assert_eq!(row["flags"], json!([]), "what is beside the five legs is in no sum");
}

#[tokio::test]
async fn completed_alone_suffices() {
    let events = answered_call(EXECUTION);
    let row = applied_in_any_order(&[("bolna", events[0].clone()), ("bolna", events[4].clone())]).await;
    let keys = ["outcome", "duration_seconds", "transcript", "cost_micros", "call_disconnected_at"];
    assert_eq!(these(&row, &keys), json!(["answered", 27, "assistant: Hello\nuser:  hi\n", 35_400, null]));
}

/// Later wins, talk wins over both, a tie goes to `completed`; each is counted once and flagged.
#[tokio::test]
async fn contradictory_ends_are_one_end_and_flagged() {
    for (one, other, outcome, seconds) in [
        (("completed", 50, 0), ("failed", 60, 0), "failed", 0),
        (("failed", 50, 0), ("completed", 60, 0), "no_answer", 0),
        (("no-answer", 60, 0), ("completed", 60, 0), "no_answer", 0),
        (("completed", 50, 9), ("failed", 60, 0), "answered", 9),
        (("no-answer", 70, 0), ("completed", 60, 9), "answered", 9),
        (("canceled", 50, 0), ("busy", 60, 0), "busy", 0),
    ] {
        let record = |(status, second, talk): (&str, u32, i32)| {
            ("bolna", bolna(EXECUTION, status, second, json!({ "conversation_duration": talk })))
        };
        let row = applied_in_any_order(&[record(one), record(other)]).await;
        let keys = ["outcome", "duration_seconds", "charged", "flags"];
        let charged = if seconds > 0 { 1_000_000 } else { 0 };
        assert_eq!(
            these(&row, &keys),
            json!([outcome, seconds, charged, ["conflicting_terminals"]]),
            "{one:?} {other:?}"
        );
    }
}

/// A tool's hook repeats the record with keys of the tenant's own choice, which may
/// hide the record's: it is an event, and changes no state of a call that is over.
#[tokio::test]
async fn a_hook_changes_no_state() {
    let row = applied_in_any_order(&[
        ("bolna", bolna(EXECUTION, "in-progress", 14, json!({}))),
        ("bolna", bolna(EXECUTION, "in-progress", 20, json!({ "transfer_reason": "billing", "total_cost": 99 }))),
        ("bolna", bolna(EXECUTION, "gold", 21, json!({ "channel": "voice" }))),
        ("bolna", bolna(EXECUTION, "completed", 50, json!({ "conversation_duration": 9, "total_cost": 2 }))),
    ])
    .await;
    let keys = ["outcome", "cost_micros", "call_answered_at"];
    assert_eq!(these(&row, &keys), json!(["answered", 20_000, "2026-03-03T10:11:14+00:00"]));
    assert_eq!(row["bolna_metadata"]["event_count"], json!(4));
}

/// The same words in another form are another event of the same call.
#[tokio::test]
async fn the_same_end_in_another_form_is_counted_once() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let body = answered_call(EXECUTION).remove(4);
    let spaced = [body.as_slice(), b" \n"].concat();
    apply(&db, user, &[("bolna", body.clone()), ("bolna", spaced), ("bolna", body)]).await;
    let row = call(&db, EXECUTION).await;
    assert_eq!(these(&row, &["charged", "duration_seconds"]), json!([1_000_000, 27]));
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 2);
}

/// A number that cannot be dialled, named last, unties no contact.
///
/// Break tried: only the last number looked at; whether there is a contact then depends
/// on the order.
#[tokio::test]
async fn a_contact_is_that_of_the_last_number_that_can_be_dialled() {
    let to = |second, number: &str| {
        let more = json!({ "context_details": { "recipient_phone_number": number } });
        ("bolna", bolna(EXECUTION, "ringing", second, more))
    };
    let row = applied_in_any_order(&[to(12, "+12025550143"), to(13, "anonymous")]).await;
    assert_eq!(these(&row, &["phone_number", "contact_id"]), json!(["anonymous", "+12025550143"]));
}

/// Two events of one execution that both name no agent lie in quarantine, and rest there.
///
/// Break tried: events that are not filed take others out of quarantine; the two then do
/// so in turn for ever.
#[tokio::test]
async fn events_that_lack_the_same_do_not_chase_each_other() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for second in [10, 11] {
        deliver(&db, user, "bolna", &bolna(EXECUTION, "ringing", second, json!({ "agent_id": null }))).await;
        let mut units = 0;
        while process_call_events::run_unit(&db.pool, &process_options()).await.unwrap() > 0 {
            units += 1;
            assert!(units < 3, "the batches never end");
        }
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason = 'no_agent'").await, 2);
    apply(&db, user, &[("bolna", bolna(EXECUTION, "completed", 50, json!({})))]).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 3);
}
