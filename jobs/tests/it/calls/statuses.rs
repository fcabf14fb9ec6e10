//! Each status of each provider, and every sign of a machine.

use serde_json::json;
use tallyline_testkit::TestDb;

use super::{SID, apply, call, callback, these};
use crate::support::*;

/// Status, seconds of conversation; outcome, the platform's status, charged minutes, over.
const BOLNA: [(&str, f64, &str, &str, i64, bool); 22] = [
    ("scheduled", 0.0, "in_progress", "in_progress", 0, false),
    ("prepared", 0.0, "in_progress", "in_progress", 0, false),
    ("queued", 0.0, "in_progress", "in_progress", 0, false),
    ("rescheduled", 0.0, "in_progress", "in_progress", 0, false),
    ("initiated", 0.0, "in_progress", "in_progress", 0, false),
    ("ringing", 0.0, "in_progress", "in_progress", 0, false),
    ("in-progress", 0.0, "in_progress", "in_progress", 0, false),
    ("in-progress", 61.0, "in_progress", "in_progress", 0, false),
    ("call-disconnected", 61.0, "in_progress", "in_progress", 0, false),
    ("completed", 61.0, "answered", "completed", 2, true),
    ("completed", 0.0, "no_answer", "failed", 0, true),
    ("no-answer", 0.0, "no_answer", "failed", 0, true),
    ("busy", 0.0, "busy", "failed", 0, true),
    ("failed", 0.0, "failed", "failed", 0, true),
    ("failed", 7.0, "failed", "failed", 1, true),
    ("error", 0.0, "failed", "failed", 0, true),
    ("canceled", 0.0, "cancelled", "cancelled", 0, true),
    ("stopped", 7.0, "cancelled", "cancelled", 1, true),
    ("balance-low", 0.0, "failed", "failed", 0, true),
    ("dialing", 0.0, "in_progress", "in_progress", 0, false),
    ("voicemail", 9.0, "in_progress", "in_progress", 0, false),
    ("COMPLETED", 9.0, "in_progress", "in_progress", 0, false),
];

#[tokio::test]
async fn each_status_of_bolna_has_its_outcome_its_minutes_and_its_charge() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (n, (status, seconds, ..)) in BOLNA.iter().enumerate() {
        let more =
            json!({ "conversation_duration": seconds, "telephony_data": { "provider_call_id": format!("p-{n}") } });
        deliver(&db, user, "bolna", &bolna(&format!("call-{n}"), status, 50, more)).await;
    }
    process(&db).await;
    for (n, (status, seconds, outcome, coarse, minutes, is_over)) in BOLNA.into_iter().enumerate() {
        let row = call(&db, &format!("call-{n}")).await;
        assert_eq!(
            these(&row, &["call_lifecycle_status", "outcome", "status", "duration_seconds", "charged", "attempt"]),
            json!([status, outcome, coarse, seconds as i64, minutes * 1_000_000, 0]),
        );
        assert_eq!(row["credits_micros"], row["charged"], "{status}");
        assert_eq!(row["completed_at"].is_string(), is_over, "{status}");
        assert_eq!(row["attempts"][0]["outcome"], json!(outcome), "{status}");
        assert_eq!(row["attempts"][0]["ended_at"], row["completed_at"], "{status}");
    }
    roll_up(&db).await;
    check_exact(&db).await;
}

/// Status, seconds on the line; outcome, whether the contact was not connected.
const TWILIO: [(&str, &str, &str, bool); 11] = [
    ("queued", "", "in_progress", false),
    ("initiated", "", "in_progress", false),
    ("ringing", "", "in_progress", false),
    ("in-progress", "", "in_progress", false),
    ("completed", "&CallDuration=61&Duration=2", "answered", false),
    ("completed", "&CallDuration=0", "no_answer", false),
    ("busy", "", "busy", true),
    ("failed", "", "failed", true),
    ("no-answer", "", "no_answer", true),
    ("canceled", "", "cancelled", true),
    ("answered", "", "in_progress", false),
];

#[tokio::test]
async fn each_status_of_twilio_speaks_for_the_call_that_bolna_is_silent_about() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (n, (status, more, ..)) in TWILIO.iter().enumerate() {
        let sid = format!("CA{n:032x}");
        let number = format!("%2B120255502{n:02}");
        let queued = json!({
            "telephony_data": { "provider_call_id": sid, "to_number": null }, "context_details": null,
        });
        let by_carrier = String::from_utf8(callback(&sid, status, 5, more)).unwrap();
        deliver(&db, user, "bolna", &bolna(&format!("call-{n}"), "queued", 1, queued)).await;
        deliver(&db, user, "twilio", by_carrier.replace("%2B12025550143", &number).as_bytes()).await;
    }
    process(&db).await;
    for (n, (status, more, outcome, is_counted)) in TWILIO.into_iter().enumerate() {
        let row = call(&db, &format!("call-{n}")).await;
        let seconds = if more.starts_with("&CallDuration=61") { 61 } else { 0 };
        // Live words of the carrier outrank a record that waits.
        let lifecycle =
            if matches!(status, "queued" | "answered") { row["call_lifecycle_status"].clone() } else { json!(status) };
        assert_eq!(
            these(&row, &["call_lifecycle_status", "outcome", "duration_seconds", "duration_minutes"]),
            json!([lifecycle, outcome, seconds, (seconds + 59) / 60]),
            "{status}"
        );
        let counted: i32 = sqlx::query_scalar("SELECT not_connected FROM contacts WHERE phone_e164 = $1")
            .bind(row["contact_id"].as_str().unwrap())
            .fetch_one(&db.admin)
            .await
            .unwrap();
        assert_eq!(counted, i32::from(is_counted), "{status}");
    }
    roll_up(&db).await;
    check_exact(&db).await;
}

const MARKERS: [&str; 9] = [
    "voicemail",
    "voice mail",
    "answering machine",
    "mailbox",
    "after the beep",
    "at the tone",
    "leave your message",
    "record your message",
    "carrier greeting",
];

#[tokio::test]
async fn a_machine_is_known_by_the_flag_by_any_marker_in_a_note_and_by_two_in_the_transcript() {
    let mut cases = vec![
        (json!({ "answered_by_voice_mail": true }), "voicemail"),
        (json!({ "answered_by_voice_mail": false }), "answered"),
        (json!({ "telephony_data": { "hangup_reason": "voicemail_detected" } }), "voicemail"),
        (json!({ "telephony_data": { "hangup_reason": "Call recipient hungup" } }), "answered"),
    ];
    for (n, marker) in MARKERS.into_iter().enumerate() {
        let note = format!("It was the {}.", marker.to_uppercase());
        cases.push((json!({ "smart_status": note }), "voicemail"));
        cases.push((json!({ "summary": note }), "voicemail"));
        cases.push((json!({ "error_message": note }), "voicemail"));
        cases.push((json!({ "telephony_data": { "hangup_reason": note } }), "voicemail"));
        cases.push((json!({ "transcript": format!("user:  {note}\n") }), "answered"));
        let other = MARKERS[(n + 3) % MARKERS.len()];
        cases.push((json!({ "transcript": format!("user:  {note} {other}\n") }), "voicemail"));
    }
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (n, (more, _)) in cases.iter().enumerate() {
        let mut more = more.clone();
        more["conversation_duration"] = json!(12);
        more["telephony_data"]["provider_call_id"] = json!(format!("p-{n}"));
        deliver(&db, user, "bolna", &bolna(&format!("call-{n}"), "completed", 50, more)).await;
    }
    process(&db).await;
    for (n, (more, outcome)) in cases.into_iter().enumerate() {
        let row = call(&db, &format!("call-{n}")).await;
        // A machine's seconds are talk, and are charged.
        let keys = ["outcome", "status", "duration_seconds", "charged"];
        assert_eq!(these(&row, &keys), json!([outcome, "completed", 12, 1_000_000]), "{more}");
    }
    roll_up(&db).await;
    check_exact(&db).await;
}

/// The voicemail of the first dial is not that of the call; the carrier's guess
/// yields to what the agent has heard.
#[tokio::test]
async fn the_carriers_machine_detection_yields_to_the_agents() {
    for (heard, outcome) in [(json!(null), "voicemail"), (json!(false), "answered")] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        let more = json!({ "conversation_duration": 12, "answered_by_voice_mail": heard });
        let guess = callback(SID, "completed", 5, "&CallDuration=15&AnsweredBy=machine_start");
        apply(&db, user, &[("bolna", bolna("call", "completed", 50, more)), ("twilio", guess)]).await;
        assert_eq!(call(&db, "call").await["outcome"], json!(outcome));
    }
}
