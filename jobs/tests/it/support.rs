//! A tenant, its webhooks, and the comparison of roll-ups with calls.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tallyline_jobs::{process_call_events, purge_expired, reconcile_calls, roll_up};
use tallyline_testkit::TestDb;
use uuid::Uuid;

pub const AGENT: &str = "00000000-0000-4000-8000-0000000000a1";

/// A tenant with one agent, made by hand: the tenants' own interface is tested elsewhere.
pub async fn tenant(db: &TestDb, zone: &str) -> Uuid {
    let user_id = Uuid::new_v4();
    sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&db.admin).await.unwrap();
    sqlx::query("INSERT INTO users (id, email, name, timezone) VALUES ($1, $2, 'Tenant', $3)")
        .bind(user_id)
        .bind(format!("{user_id}@example.test"))
        .bind(zone)
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("INSERT INTO tally.lanes (user_id) VALUES ($1)").bind(user_id).execute(&db.admin).await.unwrap();
    agent(db, user_id, AGENT).await;
    user_id
}

pub async fn agent(db: &TestDb, user_id: Uuid, bolna_agent_id: &str) -> Uuid {
    sqlx::query_scalar("INSERT INTO agents (user_id, name, bolna_agent_id) VALUES ($1, 'Agent', $2) RETURNING id")
        .bind(user_id)
        .bind(bolna_agent_id)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// Puts a body into the inbox as the receiver does; false for a duplicate.
pub async fn deliver(db: &TestDb, user_id: Uuid, provider: &str, body: &[u8]) -> bool {
    let sha = Sha256::digest(body).to_vec();
    sqlx::query(
        "WITH stored AS (
             INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body)
             VALUES ($1, $2, 'endpoint-of-a-test', $3, $4)
             ON CONFLICT DO NOTHING RETURNING user_id, id, received_at)
         INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at) SELECT user_id, id, received_at FROM stored",
    )
    .bind(user_id)
    .bind(provider)
    .bind(sha)
    .bind(body)
    .execute(&db.pool)
    .await
    .unwrap()
    .rows_affected()
        == 1
}

pub fn process_options() -> process_call_events::Options {
    process_call_events::Options {
        batch_events: 500,
        batch_bytes: 16 << 20,
        batch_tenants: 16,
        twilio_wait_seconds: 900.0,
        max_lane_claims: 3,
        max_event_claims: 3,
        follow_up_default_days: 1,
    }
}

pub fn roll_up_options() -> roll_up::Options {
    roll_up::Options::default()
}

/// Every retention a number of its own, so that no statement can take another's unseen.
pub fn retention() -> purge_expired::Retention {
    purge_expired::Retention {
        inbox_body_days: 90,
        login_attempt_days: 30,
        password_reset_days: 7,
        session_days: 5,
        dashboard_cache_days: 2,
        quarantine_days: 91,
        job_history_days: 14,
        dead_job_days: 60,
        schedule_fire_days: 13,
        backfill_days: 61,
        audit_difference_days: 31,
        provider_check_days: 40,
        notification_days: 41,
        twilio_processed_days: 43,
    }
}

/// In a hurry, but for what a test is about.
pub fn reconcile_options() -> reconcile_calls::Options {
    reconcile_calls::Options {
        bolna_requests_per_minute: 60_000,
        twilio_requests_per_minute: 60_000,
        stuck_after_minutes: 60,
        stuck_days: 30,
        look_back_hours: 48,
        first_days: 10,
        window_hours: 24,
        max_window_ids: 20_000,
        timeout: Duration::from_secs(20),
        retry_pause: Duration::from_millis(10),
        max_tries: 3,
    }
}

/// Applies all that is due.
pub async fn process(db: &TestDb) {
    while process_call_events::run_unit(&db.pool, &process_options()).await.unwrap() > 0 {}
}

/// The same as if every event that waits had waited long enough.
pub async fn process_after_the_wait(db: &TestDb) {
    let options = process_call_events::Options { twilio_wait_seconds: 0.0, ..process_options() };
    while process_call_events::run_unit(&db.pool, &options).await.unwrap() > 0 {}
}

/// Recomputes all that is marked.
pub async fn roll_up(db: &TestDb) {
    while roll_up::run_unit(&db.pool, &roll_up_options()).await.unwrap() > 0 {}
}

/// A Bolna event of execution `id`: the fields that every status has, then `more`.
pub fn bolna(id: &str, status: &str, second: u32, more: Value) -> Vec<u8> {
    let mut body = json!({
        "id": id, "agent_id": AGENT, "status": status,
        "created_at": "2026-03-03T10:11:08.193399",
        "updated_at": format!("2026-03-03T10:{:02}:{:02}.000000", 11 + second / 60, second % 60),
        "initiated_at": "2026-03-03T10:11:09.551200",
        "telephony_data": {
            "to_number": "+12025550143", "from_number": "+12025550100", "call_type": "outbound", "provider": "twilio",
            "provider_call_id": "CA00000000000000000000000000000001", "recording_url": null
        },
        "context_details": { "recipient_phone_number": "+12025550143" }
    });
    merge(&mut body, more);
    serde_json::to_vec(&body).unwrap()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The five events of an answered call of 27.2 s that costs 3.54 cents.
pub fn answered_call(id: &str) -> Vec<Vec<u8>> {
    vec![
        bolna(id, "initiated", 10, json!({ "conversation_duration": 0.0, "total_cost": 0.0 })),
        bolna(id, "ringing", 12, json!({})),
        bolna(id, "in-progress", 14, json!({})),
        bolna(
            id,
            "call-disconnected",
            45,
            json!({
                "conversation_duration": 27.2, "transcript": "assistant: Hello\nuser:  hi\n",
                "telephony_data": { "recording_url": "" }
            }),
        ),
        bolna(
            id,
            "completed",
            50,
            json!({
                "conversation_duration": 27.2, "total_cost": 3.54, "transcript": "assistant: Hello\nuser:  hi\n",
                "telephony_data": { "recording_url": "https://api.bolna.ai/recordings/call/1" }
            }),
        ),
    ]
}

pub fn analysis(id: &str, total: i32, at: &str) -> Vec<u8> {
    serde_json::to_vec(&json!({
        "execution_id": id, "analysis_type": "individual", "analyzed_at": at,
        "analysis": {
            "intent_score": 3, "urgency_score": 2, "budget_score": 2, "fit_score": 3, "engagement_score": total - 10,
            "total_score": total, "lead_status_tag": "Hot", "cta_demo_clicked": "Yes",
            "extraction": { "name": "Asha", "company_name": "Example Ltd" }
        }
    }))
    .unwrap()
}

/// One number out of the database.
pub async fn number(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

/// Every hour, day and month of every tenant and agent by plain GROUP BY over
/// calls, against the stored rows; a row on one side only is a difference.
const DIFFERENCES: &str = include_str!("differences.sql");

/// A line for each roll-up that differs from its calls.
pub async fn differences(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar(DIFFERENCES).fetch_all(&db.admin).await.unwrap()
}

/// Fails unless every roll-up equals its calls.
pub async fn check_exact(db: &TestDb) {
    let differences = differences(db).await;
    assert!(differences.is_empty(), "roll-ups differ from calls:\n{}", differences.join("\n"));
}
