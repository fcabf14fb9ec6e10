//! What records say beyond the figures: setup, models, earlier dials, bad fields.

use serde_json::{Value, json};
use tallyline_testkit::TestDb;

use super::{EXECUTION, applied_in_any_order, apply, call, these};
use crate::support::*;

/// Each part as the last record that has it says, in any order; nothing goes back to empty.
#[tokio::test]
async fn setup_and_models_are_kept_in_the_columns_of_the_seed() {
    let scheduled = json!({
        "scheduled_at": "2026-03-03T10:11:08.193376", "rescheduled_at": "2026-03-03T12:00:00Z",
        "batch_id": "0123456789abcdef0123456789abcdef", "campaign_id": "c-1",
        "retry_config": {
            "enabled": true, "max_retries": 3, "retry_on_statuses": ["no-answer", "busy"], "retry_on_voicemail": false,
            "retry_intervals_minutes": [30, 60, "120"]
        },
        "context_details": { "recipient_data": { "name": "Asha", "email": "asha@example.org" } },
        "usage_breakdown": {}
    });
    let completed = json!({
        "conversation_duration": 27.2, "termination_reason": "caller_hangup", "retry_config": null, "batch_id": "",
        "context_details": { "recipient_data": "{\"email\": \"unknown@example.com\"}" },
        "usage_breakdown": {
            "llmModel": { "model-x": { "input": 1397, "output": 23 } }, "llmTokens": 1420, "synthesizer_model": "voice-x",
            "synthesizer_provider": "voices", "synthesizer_characters": 111, "transcriber_model": "ear-x",
            "transcriber_provider": "ears", "transcriber_duration": 27.5,
            "llm_usage_breakdown": { "conversation": { "provider": "minds", "input": 1 }, "hangup": null }
        },
        "latency_data": { "transcriber": { "turns": [{ "turn": 1, "turn_latency": [{ "text": "my secret words" }] }] } }
    });
    let row = applied_in_any_order(&[
        ("bolna", bolna(EXECUTION, "scheduled", 9, scheduled)),
        ("bolna", bolna(EXECUTION, "completed", 50, completed)),
        ("bolna", bolna(EXECUTION, "completed", 60, json!({ "usage_breakdown": {}, "retry_config": {} }))),
    ])
    .await;
    let config = json!({
        "scheduled_at": "2026-03-03T10:11:08.193376Z", "rescheduled_at": "2026-03-03T12:00:00Z",
        "batch_id": "0123456789abcdef0123456789abcdef", "campaign_id": "c-1",
        "retry": {
            "enabled": true, "max_retries": 3, "on_statuses": ["no-answer", "busy"], "on_voicemail": false,
            "intervals_minutes": [30, 60, 120]
        }
    });
    assert_eq!(row["bolna_call_config"], config);
    let voice = json!({
        "llm": { "models": ["model-x"], "providers": ["minds"] },
        "synthesizer": { "model": "voice-x", "provider": "voices" }, "transcriber": { "model": "ear-x", "provider": "ears" }
    });
    assert_eq!(row["bolna_voice_settings"], voice);
    let usage = json!({
        "llm_tokens": 1420, "llm_tokens_by_model": { "model-x": { "input": 1397, "output": 23 } },
        "synthesizer_characters": 111, "transcriber_seconds": "27.5"
    });
    assert_eq!(row["bolna_metadata"]["usage"], usage);
    assert_eq!(row["bolna_metadata"]["termination_reason"], json!("caller_hangup"));
    assert_eq!(these(&row, &["caller_email", "caller_name", "flags"]), json!(["asha@example.org", "Asha", []]));
    assert!(!row.to_string().contains("secret words"), "what the caller said is in the transcript or nowhere");
}

#[tokio::test]
async fn the_speech_in_latencies_is_kept_nowhere_but_in_the_inbox() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let latency =
        json!({ "latency_data": { "transcriber": { "turns": [{ "turn_latency": [{ "text": "secret words" }] }] } } });
    apply(&db, user, &[("bolna", bolna(EXECUTION, "completed", 50, latency))]).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events WHERE facts::text LIKE '%secret%'").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 1);
}

fn dials(row: &Value) -> Value {
    row["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| these(a, &["attempt", "lifecycle", "outcome", "ended_at"]))
        .collect()
}

/// Dials of which no event came are dials all the same; where one came, it counts.
#[tokio::test]
async fn the_history_of_retries_fills_in_dials_that_were_missed() {
    let history = json!([
        { "attempt": 1, "status": "no-answer", "at": "2026-03-03T10:12:00Z" },
        { "attempt": 2, "status": "busy", "at": "2026-03-03T10:42:00Z" }
    ]);
    let at = "2026-03-03T11:10:00.000000";
    let row = applied_in_any_order(&[
        ("bolna", bolna(EXECUTION, "busy", 300, json!({ "retry_count": 1, "conversation_duration": 0 }))),
        (
            "bolna",
            bolna(
                EXECUTION,
                "completed",
                0,
                json!({ "retry_count": 2, "conversation_duration": 27, "retry_history": history, "updated_at": at }),
            ),
        ),
    ])
    .await;
    assert_eq!(
        dials(&row),
        json!([
            [0, "no-answer", "no_answer", "2026-03-03T10:12:00+00:00"],
            [1, "busy", "busy", "2026-03-03T10:16:00+00:00"],
            [2, "completed", "answered", "2026-03-03T11:10:00+00:00"]
        ])
    );
    assert_eq!(row["attempts"][0]["started_at"], json!(null), "nobody said when it began");
    assert_eq!(these(&row, &["outcome", "attempt", "charged"]), json!(["answered", 2, 1_000_000]));
}

/// A dial whose attempt was not known when its callback came is moved, not doubled.
///
/// Break tried: dials that vanish not deleted.
#[tokio::test]
async fn a_dial_that_turns_out_to_be_another_leaves_no_row_behind() {
    let sid = "CA00000000000000000000000000000002";
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    sqlx::query(
        "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
         SELECT 'Line', '+12025550100', 'n1', user_id, id, gen_random_uuid() FROM agents",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    deliver(&db, user, "twilio", &super::callback(sid, "no-answer", 5, "")).await;
    process_after_the_wait(&db).await;
    let second = json!({ "retry_count": 1, "telephony_data": { "provider_call_id": sid } });
    apply(&db, user, &[("bolna", bolna(EXECUTION, "no-answer", 300, second))]).await;
    assert_eq!(dials(&call(&db, EXECUTION).await), json!([[1, "no-answer", "no_answer", "2026-03-03T10:16:00+00:00"]]));
}

/// The field is empty and flagged, the event counts.
#[tokio::test]
async fn bad_fields_are_empty_and_flagged_and_the_event_counts() {
    let many: Vec<Value> = (0..10_000).map(|n| json!({ "attempt": n, "status": "busy", "at": "never" })).collect();
    let cases = [
        (
            json!({ "retry_history": many }),
            vec![
                "bad_field:retry_history",
                "bad_field:retry_history.at",
                "bad_field:retry_history.attempt",
                "truncated:retry_history",
            ],
        ),
        (json!({ "retry_history": { "attempt": 1 } }), vec!["bad_field:retry_history"]),
        (json!({ "retry_count": 4 }), vec!["bad_field:retry_count"]),
        (json!({ "telephony_data": "x" }), vec!["bad_field:telephony_data"]),
        (json!({ "transfer_call_data": [] }), vec!["bad_field:transfer_call_data"]),
        (
            json!({ "transfer_call_data": { "duration": "1:02", "cost": -1 } }),
            vec!["bad_field:transfer_call_data.cost", "bad_field:transfer_call_data.duration"],
        ),
        (json!({ "total_cost": -3.54 }), vec!["bad_field:total_cost"]),
        (json!({ "conversation_duration": -1, "conversation_time": 27 }), vec!["bad_field:conversation_duration"]),
        (json!({ "scheduled_at": 1772532672 }), vec!["bad_field:scheduled_at"]),
        (json!({ "updated_at": "2036-01-01T00:00:00Z" }), vec![]),
        (json!({ "created_at": "1970-01-01T00:00:00", "initiated_at": null }), vec!["implausible:created_at"]),
        (json!({ "total_cost": 3.54, "cost_breakdown": { "llm": 1, "network": 1 } }), vec!["cost_mismatch"]),
        (json!({ "cost_breakdown": { "llm": null, "gold": -1 } }), vec!["bad_field:cost_breakdown.*"]),
    ];
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (n, (more, _)) in cases.iter().enumerate() {
        let mut body = json!({ "conversation_duration": 27.2 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        deliver(&db, user, "bolna", &bolna(&format!("call-{n}"), "completed", 50, body)).await;
    }
    process(&db).await;
    for (n, (more, flags)) in cases.iter().enumerate() {
        let row = call(&db, &format!("call-{n}")).await;
        let shown: String = more.to_string().chars().take(80).collect();
        assert_eq!(
            these(&row, &["outcome", "duration_seconds", "charged"]),
            json!(["answered", 27, 1_000_000]),
            "{shown}"
        );
        assert_eq!(row["flags"], json!(flags), "{shown}");
        assert!(row["attempts"].as_array().unwrap().len() <= 4, "{shown}");
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    roll_up(&db).await;
    check_exact(&db).await;
}
