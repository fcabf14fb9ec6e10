//! Follow-ups that analyses ask for, and their reminders by the tenants' clocks.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tallyline_jobs::settings::SettingsHandle;
use tallyline_jobs::{ProcessCallEvents, remind_follow_ups};
use tallyline_queue::{DrainWork, Hint};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

const CALL: &str = "00000000-0000-4000-8000-00000000f001";
const SID: &str = "CA00000000000000000000000000000001";

/// An analysis of `id` that finds `more`.
fn analysis_with(id: &str, at: &str, more: Value) -> Vec<u8> {
    let mut found = json!({ "intent_score": 3, "lead_status_tag": "Hot", "extraction": { "name": "Asha", "smartnotification": "Call again" } });
    for (key, value) in more.as_object().unwrap() {
        found[key] = value.clone();
    }
    serde_json::to_vec(&json!({
        "execution_id": id, "analysis_type": "individual", "analyzed_at": at, "analysis": found,
    }))
    .unwrap()
}

async fn apply(db: &TestDb, user: Uuid, provider: &str, bodies: &[Vec<u8>]) {
    for body in bodies {
        deliver(db, user, provider, body).await;
    }
    process(db).await;
}

/// A tenant's follow-ups: date, status, source, number, remark.
async fn follow_ups(db: &TestDb, user: Uuid) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', follow_up_date, follow_up_status, source, phone_e164, remark) FROM follow_ups
         WHERE user_id = $1 ORDER BY follow_up_date, source",
    )
    .bind(user)
    .fetch_all(&db.admin)
    .await
    .unwrap()
}

/// The calls of the support are of 2026-03-03 10:11 UTC: in Kiritimati it is the
/// 4th by then, in Honolulu 00:11 of the 3rd.
#[tokio::test]
async fn an_analysis_makes_one_follow_up_on_its_day_in_the_tenants_zone() {
    let db = TestDb::new().await;
    for (zone, found, date) in [
        ("UTC", json!({ "cta_followup_clicked": "Yes" }), "2026-03-04"),
        ("Pacific/Kiritimati", json!({ "lead_status_tag": "Follow-Up Later" }), "2026-03-05"),
        ("Pacific/Honolulu", json!({ "cta_followup_clicked": true }), "2026-03-04"),
        ("Pacific/Kiritimati", json!({ "follow_up_date": "2026-03-09" }), "2026-03-09"),
        ("Asia/Kolkata", json!({ "follow_up_at": "2026-03-09T20:00:00Z" }), "2026-03-10"),
        ("America/New_York", json!({ "follow_up_at": "2026-03-09T03:59:59Z" }), "2026-03-08"),
        ("America/New_York", json!({ "follow_up_at": "2026-03-09T04:00:00Z" }), "2026-03-09"),
        ("America/New_York", json!({ "follow_up_at": "2026-03-09T23:59:00" }), "2026-03-09"),
        ("Australia/Lord_Howe", json!({ "follow_up_at": "2026-04-04T13:00:00Z" }), "2026-04-05"),
        ("Australia/Lord_Howe", json!({ "follow_up_at": "2026-04-04T12:59:59Z" }), "2026-04-04"),
        ("Asia/Kolkata", json!({ "follow_up_at": "2093-01-01T18:30:00Z" }), "2093-01-02"),
    ] {
        let user = tenant(&db, zone).await;
        apply(&db, user, "bolna", &answered_call(CALL)).await;
        apply(&db, user, "analysis", &[analysis_with(CALL, "2026-03-03T10:20:00Z", found.clone())]).await;
        let expected = format!("{date} pending analysis +12025550143 Call again");
        assert_eq!(follow_ups(&db, user).await, [expected], "{zone} {found}");
    }
}

/// Break tried: the drain with its own number of days.
#[tokio::test]
async fn days_to_a_follow_up_are_a_setting() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    sqlx::query("INSERT INTO system_config (config_key, config_value) VALUES ('follow_up_default_days', '7')")
        .execute(&db.admin)
        .await
        .unwrap();
    let settings = SettingsHandle::load(&db.pool).await.unwrap();
    let rollup_hint = Hint::new();
    let drain = ProcessCallEvents {
        pool: db.pool.clone(),
        options: process_options(),
        settings,
        rollup_hint,
        leads_hint: Hint::new(),
    };
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    let asked = analysis_with(CALL, "2026-03-03T10:20:00Z", json!({ "cta_followup_clicked": "Yes" }));
    deliver(&db, user, "analysis", &asked).await;
    while drain.drain().await.unwrap().worked > 0 {}
    assert_eq!(follow_ups(&db, user).await, ["2026-03-10 pending analysis +12025550143 Call again"]);
}

/// Any order and batching of two analyses, delivered twice each, leave what the
/// later one asks for. Breaks tried: without `delete_unasked` the first case keeps
/// a follow-up that nobody asks for; with a plain INSERT the second doubles it.
#[tokio::test]
async fn the_latest_analysis_says_whether_and_when() {
    let db = TestDb::new().await;
    let asks = |at, date| analysis_with(CALL, at, json!({ "follow_up_date": date }));
    let silent = |at| analysis_with(CALL, at, json!({}));
    let (early, late) = ("2026-03-03T10:20:00Z", "2026-03-03T10:30:00Z");
    for (first, second, expected) in [
        (asks(early, "2026-03-05"), silent(late), None),
        (asks(early, "2026-03-05"), asks(late, "2026-03-06"), Some("2026-03-06")),
        (silent(early), asks(late, "2026-03-06"), Some("2026-03-06")),
    ] {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
            for at_once in [false, true] {
                let user = tenant(&db, "UTC").await;
                let steps = [
                    ("bolna", answered_call(CALL)),
                    ("analysis", vec![first.clone()]),
                    ("analysis", vec![second.clone()]),
                ];
                for _ in 0..2 {
                    for step in order {
                        let (provider, bodies) = &steps[step];
                        for body in bodies {
                            deliver(&db, user, provider, body).await;
                        }
                        if !at_once {
                            process(&db).await;
                        }
                    }
                }
                process(&db).await;
                let expected: Vec<String> =
                    expected.iter().map(|date| format!("{date} pending analysis +12025550143 Call again")).collect();
                assert_eq!(follow_ups(&db, user).await, expected, "order {order:?}, at once: {at_once}");
            }
        }
    }
}

/// Breaks tried: without `edited_at IS NULL` in `upsert_asked.sql` the moved one is
/// moved back; without `follow_up_status = 'pending'` the completed one changes.
#[tokio::test]
async fn what_a_hand_has_touched_stays() {
    let db = TestDb::new().await;
    for (change, expected) in [
        (
            "UPDATE follow_ups SET edited_at = now(), follow_up_date = '2026-04-01' WHERE user_id = $1",
            "2026-04-01 pending",
        ),
        (
            "UPDATE follow_ups SET follow_up_status = 'completed', completed_at = now() WHERE user_id = $1",
            "2026-03-05 completed",
        ),
        ("UPDATE follow_ups SET follow_up_status = 'cancelled' WHERE user_id = $1", "2026-03-05 cancelled"),
    ] {
        for found in [json!({ "follow_up_date": "2026-03-09" }), json!({})] {
            let user = tenant(&db, "UTC").await;
            apply(&db, user, "bolna", &answered_call(CALL)).await;
            let asked = analysis_with(CALL, "2026-03-03T10:20:00Z", json!({ "follow_up_date": "2026-03-05" }));
            apply(&db, user, "analysis", &[asked]).await;
            sqlx::query(change).bind(user).execute(&db.admin).await.unwrap();
            apply(&db, user, "analysis", &[analysis_with(CALL, "2026-03-03T10:40:00Z", found)]).await;
            assert_eq!(
                follow_ups(&db, user).await,
                [format!("{expected} analysis +12025550143 Call again")],
                "{change}"
            );
        }
    }
}

/// A Twilio-only call is taken into the execution that turns out to be the same, in
/// either order of their coming; what hung on it goes along.
#[tokio::test]
async fn a_call_that_is_absorbed_or_adopted_brings_its_follow_ups() {
    let twilio = format!(
        "AccountSid=AC00000000000000000000000000000001&CallSid={SID}&CallStatus=completed&Direction=outbound-api&To=%2B12025550143&From=%2B12025550100&CallDuration=20"
    );
    let without_sid = bolna(
        CALL,
        "completed",
        40,
        json!({ "telephony_data": { "provider_call_id": "" }, "conversation_duration": 20 }),
    );
    let with_sid = bolna(CALL, "completed", 50, json!({ "conversation_duration": 20 }));
    let asked = analysis_with(CALL, "2026-03-03T10:20:00Z", json!({ "follow_up_date": "2026-03-05" }));
    for execution_first in [true, false] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        number_of_agent(&db, user).await;
        if execution_first {
            apply(&db, user, "bolna", std::slice::from_ref(&without_sid)).await;
            apply(&db, user, "analysis", std::slice::from_ref(&asked)).await;
        }
        deliver(&db, user, "twilio", twilio.as_bytes()).await;
        process_after_the_wait(&db).await;
        assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1 + i64::from(execution_first));
        sqlx::query(
            "INSERT INTO follow_ups (user_id, lead_phone, phone_e164, follow_up_date, call_id)
             SELECT user_id, phone_number, phone_number, '2026-03-07', id FROM calls WHERE bolna_execution_id IS NULL",
        )
        .execute(&db.admin)
        .await
        .unwrap();
        if !execution_first {
            apply(&db, user, "analysis", std::slice::from_ref(&asked)).await;
        }
        apply(&db, user, "bolna", std::slice::from_ref(&with_sid)).await;
        assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
        let expected =
            ["2026-03-05 pending analysis +12025550143 Call again", "2026-03-07 pending manual +12025550143"];
        assert_eq!(follow_ups(&db, user).await, expected, "execution first: {execution_first}");
        assert_eq!(number(&db, "SELECT count(*) FROM follow_ups JOIN calls c ON c.id = call_id").await, 2);
        assert_eq!(number(&db, "SELECT count(*) FROM follow_ups JOIN contacts USING (user_id, phone_e164)").await, 2);
    }
}

async fn number_of_agent(db: &TestDb, user: Uuid) {
    sqlx::query(
        "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
         SELECT 'Line', '+12025550100', 'line-1', user_id, id, user_id FROM agents WHERE user_id = $1",
    )
    .bind(user)
    .execute(&db.admin)
    .await
    .unwrap();
}

// --- reminders -----------------------------------------------------------------

async fn follow_up(db: &TestDb, user: Uuid, date: &str) -> Uuid {
    sqlx::query_scalar("INSERT INTO follow_ups (user_id, lead_phone, follow_up_date) VALUES ($1, '+12025550143', $2::date) RETURNING id")
        .bind(user)
        .bind(date)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Days on which clocks change among them. Lord Howe moves by half an hour (5 April
/// 2026, 02:00 to 01:30, and 4 October, 02:00 to 02:30), New York loses 02:00 to
/// 03:00 on 8 March. Break tried: the offset left out.
#[tokio::test]
async fn reminders_go_out_at_the_hour_of_the_tenants_clock() {
    let db = TestDb::new().await;
    for (zone, date, hour, before, due) in [
        ("UTC", "2026-03-05", 9, "2026-03-05T08:59:59Z", "2026-03-05T09:00:00Z"),
        ("UTC", "2026-03-05", 0, "2026-03-04T23:59:59Z", "2026-03-05T00:00:00Z"),
        ("Asia/Kolkata", "2026-03-05", 9, "2026-03-05T03:29:59Z", "2026-03-05T03:30:00Z"),
        ("Pacific/Apia", "2026-03-05", 9, "2026-03-04T19:59:59Z", "2026-03-04T20:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", 9, "2026-04-04T22:29:59Z", "2026-04-04T22:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-04", 9, "2026-04-03T21:59:59Z", "2026-04-03T22:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04", 2, "2026-10-03T15:29:59Z", "2026-10-03T15:30:00Z"),
        ("America/New_York", "2026-03-08", 2, "2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z"),
        ("America/New_York", "2026-11-01", 1, "2026-11-01T04:59:59Z", "2026-11-01T05:00:00Z"),
        ("America/New_York", "2026-11-01", 9, "2026-11-01T13:59:59Z", "2026-11-01T14:00:00Z"),
        ("Pacific/Kiritimati", "2026-03-05", 23, "2026-03-05T08:59:59Z", "2026-03-05T09:00:00Z"),
    ] {
        let user = tenant(&db, zone).await;
        let id = follow_up(&db, user, date).await;
        let run = |now| remind_follow_ups::run_at(&db.pool, at(now), hour);
        assert_eq!(run(before).await.unwrap(), 0, "{zone} {date} before {hour}");
        assert_eq!(run(due).await.unwrap(), 1, "{zone} {date} from {hour}");
        assert_eq!(run(due).await.unwrap(), 0, "{zone} {date} again");
        let (kind, key, payload): (String, String, Value) =
            sqlx::query_as("SELECT kind, idempotency_key, payload FROM tally.notifications WHERE user_id = $1")
                .bind(user)
                .fetch_one(&db.admin)
                .await
                .unwrap();
        assert_eq!((kind.as_str(), key), ("follow_up.due", format!("follow_up.due:{id}:{date}")));
        assert_eq!(payload["follow_up_date"], date);
        assert_eq!(payload["lead_phone"], "+12025550143");
    }
}

#[tokio::test]
async fn only_pending_ones_of_active_tenants_and_each_date_once() {
    let db = TestDb::new().await;
    let (user, other) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    let id = follow_up(&db, user, "2026-03-05").await;
    for (status, completed) in [("completed", Some(at("2026-03-04T00:00:00Z"))), ("cancelled", None)] {
        let done = follow_up(&db, user, "2026-03-05").await;
        sqlx::query("UPDATE follow_ups SET follow_up_status = $2, completed_at = $3 WHERE id = $1")
            .bind(done)
            .bind(status)
            .bind(completed)
            .execute(&db.admin)
            .await
            .unwrap();
    }
    follow_up(&db, other, "2026-03-05").await;
    sqlx::query("UPDATE users SET is_active = false WHERE id = $1").bind(other).execute(&db.admin).await.unwrap();
    let moved = |date: &'static str| {
        sqlx::query("UPDATE follow_ups SET follow_up_date = $2::date WHERE id = $1").bind(id).bind(date)
    };
    let run = || remind_follow_ups::run_at(&db.pool, at("2026-03-20T12:00:00Z"), 9);

    assert_eq!(run().await.unwrap(), 1);
    moved("2026-03-21").execute(&db.admin).await.unwrap();
    assert_eq!(run().await.unwrap(), 0, "not its day yet");
    moved("2026-03-19").execute(&db.admin).await.unwrap();
    assert_eq!(run().await.unwrap(), 1, "another date, another reminder");
    moved("2026-03-05").execute(&db.admin).await.unwrap();
    assert_eq!(run().await.unwrap(), 0, "that date was reminded of");
    // What was sent does not stay for ever, and is not sent again for that.
    sqlx::query("DELETE FROM tally.notifications").execute(&db.admin).await.unwrap();
    assert_eq!(run().await.unwrap(), 0);
}

/// Break tried: without the row locks and with a key made up for each notification
/// (either alone is enough) follow-ups are reminded of by several runs.
#[tokio::test]
async fn two_runs_at_once_remind_once_each() {
    let db = TestDb::new().await;
    for zone in ["UTC", "Asia/Kolkata"] {
        let user = tenant(&db, zone).await;
        sqlx::query("INSERT INTO follow_ups (user_id, lead_phone, follow_up_date) SELECT $1, '+1', '2026-03-05' FROM generate_series(1, 1500)")
            .bind(user)
            .execute(&db.admin)
            .await
            .unwrap();
    }
    let run = || remind_follow_ups::run_at(&db.pool, at("2026-03-20T12:00:00Z"), 9);
    let (a, b, c) = tokio::join!(run(), run(), run());
    let left = run().await.unwrap();
    assert_eq!(a.unwrap() + b.unwrap() + c.unwrap() + left, 3000);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.notifications").await, 3000);
    assert_eq!(number(&db, "SELECT count(DISTINCT idempotency_key) FROM tally.notifications").await, 3000);
}
