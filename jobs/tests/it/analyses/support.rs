//! A tenant with a provider, its calls, and the drains until nothing is left to do.

use std::time::Duration;

use serde_json::{Value, json};
use tallyline_jobs::analyze_leads::{Analyzer, BreakerOptions, Options, key_context};
use tallyline_jobs::{complete_leads, http};
use tallyline_queue::Hint;
use tallyline_secrets::SealingKey;
use tallyline_testkit::TestDb;
use tallyline_testkit::openai::OpenAi;
use uuid::Uuid;

pub use crate::support::*;

pub const TRANSCRIPT: &str = "assistant: Hello\nuser:  I am interested, how much is it? We need it today\n";
pub const API_KEY: &str = "sk-test-of-the-tenant";

pub fn sealing_key() -> SealingKey {
    SealingKey::new([7; 32])
}

pub fn options() -> Options {
    Options {
        lease: Duration::from_secs(90),
        request_timeout: Duration::from_secs(20),
        max_attempts: 3,
        backoff: Duration::from_secs(60),
        longest_backoff: Duration::from_secs(600),
        batch: 50,
        max_transcript_bytes: 100_000,
        breaker: BreakerOptions { failures: 100, open_for: Duration::from_secs(30) },
    }
}

pub fn analyzer(db: &TestDb) -> Analyzer {
    analyzer_with(db, options())
}

pub fn analyzer_with(db: &TestDb, options: Options) -> Analyzer {
    Analyzer::new(db.pool.clone(), http::client().unwrap(), sealing_key(), options, Hint::new())
}

pub async fn provider(db: &TestDb, user: Uuid, provider: &str) {
    sqlx::query("INSERT INTO tally.analysis_settings (user_id, provider) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET provider = $2")
        .bind(user)
        .bind(provider)
        .execute(&db.admin)
        .await
        .unwrap();
}

/// Prices are so high that each request costs something.
pub async fn openai(db: &TestDb, user: Uuid, server: &OpenAi) {
    let sealed = sealing_key().seal(&key_context(user), API_KEY.as_bytes()).unwrap();
    sqlx::query(
        "INSERT INTO tally.analysis_settings (user_id, provider, base_url, model, sealed_api_key, input_price_micros, output_price_micros)
         VALUES ($1, 'openai', $2, 'small-model', $3, 1000000, 4000000)",
    )
    .bind(user)
    .bind(&server.base_url)
    .bind(sealed)
    .execute(&db.admin)
    .await
    .unwrap();
}

/// An answered call to `number` that began at `at`, with more members.
pub fn call_to(id: &str, number: &str, at: &str, more: Value) -> Vec<u8> {
    let mut body = json!({
        "id": id, "agent_id": AGENT, "status": "completed", "created_at": at, "initiated_at": at, "updated_at": at,
        "conversation_duration": 60.5, "total_cost": 3.0, "transcript": TRANSCRIPT,
        "telephony_data": { "to_number": number, "from_number": "+12025550100", "call_type": "outbound", "provider": "plivo" },
        "context_details": { "recipient_phone_number": number },
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::to_vec(&body).unwrap()
}

/// Delivers an answered call to the number that most tests use.
pub async fn call(db: &TestDb, user: Uuid, id: &str, more: Value) {
    deliver(db, user, "bolna", &call_to(id, "+12025550143", "2026-03-03T10:11:08Z", more)).await;
    process(db).await;
}

/// Makes all analyses that are due and folds all contacts, until nothing is left.
pub async fn settle(db: &TestDb, analyzer: &Analyzer) {
    loop {
        let mut worked = analyzer.run_unit().await.unwrap();
        process(db).await;
        worked += complete_leads::run_unit(&db.pool).await.unwrap();
        if worked == 0 {
            return;
        }
    }
}

/// What waits is due now, as if the time had passed.
pub async fn pass_time(db: &TestDb) {
    for sql in [
        "UPDATE tally.call_analyses SET not_before = '-infinity', claimed_until = '-infinity' WHERE state IN ('pending', 'claimed') AND claim IS NOT NULL",
        "UPDATE tally.call_analyses SET not_before = '-infinity' WHERE state = 'pending'",
        "UPDATE tally.contact_analyses SET not_before = '-infinity' WHERE state = 'pending'",
    ] {
        sqlx::query(sql).execute(&db.admin).await.unwrap();
    }
}

/// Every analysis that was asked for: state and error.
pub async fn states(db: &TestDb) -> Vec<(String, Option<String>)> {
    sqlx::query_as("SELECT state, error_code FROM tally.call_analyses ORDER BY user_id, call_id")
        .fetch_all(&db.admin)
        .await
        .unwrap()
}

/// The one analysis' state and error.
pub async fn state(db: &TestDb) -> (String, Option<String>) {
    let mut states = states(db).await;
    assert_eq!(states.len(), 1, "{states:?}");
    states.remove(0)
}

pub fn is(state: &str, error: Option<&str>) -> (String, Option<String>) {
    (state.to_owned(), error.map(str::to_owned))
}

/// Individual and complete leads as JSON, without what differs from run to run.
pub async fn leads(db: &TestDb, analysis_type: &str) -> Vec<Value> {
    sqlx::query_scalar(
        "SELECT to_jsonb(l) - 'id' - 'created_at' - 'updated_at' - 'user_id' FROM lead_analytics l WHERE analysis_type = $1
         ORDER BY l.user_id, l.contact_id, l.call_id",
    )
    .bind(analysis_type)
    .fetch_all(&db.admin)
    .await
    .unwrap()
}

pub async fn text(db: &TestDb, sql: &'static str) -> Option<String> {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

pub async fn run(db: &TestDb, sql: &'static str) -> u64 {
    sqlx::raw_sql(sql).execute(&db.admin).await.unwrap().rows_affected()
}
