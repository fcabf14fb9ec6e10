//! Reconciliation with the providers, simulated as real HTTP servers.

mod bolna;
mod conflicts;
mod faults;
mod tenants;
mod twilio;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tallyline_jobs::provider_accounts::{self, NewAccount};
use tallyline_jobs::reconcile_calls::{self, Failure, Options, Surroundings};
use tallyline_model::Provider;
use tallyline_queue::Hint;
use tallyline_secrets::SealingKey;
use tallyline_testkit::TestDb;
use tallyline_testkit::bolna::{Bolna, stamp};
use uuid::Uuid;

use crate::support::*;

const KEY: &str = "bolna-key-of-a-test";
const CALL: &str = "00000000-0000-4000-8000-000000000001";

fn sealing_key() -> SealingKey {
    SealingKey::new([7; 32])
}

async fn now(db: &TestDb) -> DateTime<Utc> {
    sqlx::query_scalar("SELECT now()").fetch_one(&db.admin).await.unwrap()
}

/// Gives the tenant an account as the command line does.
async fn account(db: &TestDb, user_id: Uuid, provider: Provider, base_url: &str, sid: Option<&str>, key: &str) {
    let account = NewAccount { user_id, provider, base_url, account_sid: sid, key };
    let mut conn = db.pool.acquire().await.unwrap();
    provider_accounts::set(&mut conn, &sealing_key(), &account).await.unwrap();
}

/// A tenant whose Bolna is this one.
async fn bolna_tenant(db: &TestDb, bolna: &Bolna) -> Uuid {
    let user = tenant(db, "UTC").await;
    account(db, user, Provider::Bolna, &bolna.front.base_url, None, KEY).await;
    user
}

/// One run for a tenant.
async fn run_with(db: &TestDb, user: Uuid, options: &Options) -> Result<(), Failure> {
    let http = tallyline_jobs::http::client().unwrap();
    let (sealing_key, inbox_hint) = (sealing_key(), Hint::new());
    let with =
        Surroundings { pool: &db.pool, http: &http, sealing_key: &sealing_key, inbox_hint: &inbox_hint, options };
    reconcile_calls::run_tenant(&with, user).await
}

async fn run(db: &TestDb, user: Uuid) {
    run_with(db, user, &reconcile_options()).await.unwrap();
    process(db).await;
}

async fn sql(db: &TestDb, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&db.admin).await.unwrap();
}

async fn text(db: &TestDb, sql: &'static str) -> Option<String> {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

/// An ended execution as `GET /executions/{id}` gives it: 27.2 s of talk for 3.54 cents.
fn completed(id: &str, created_at: DateTime<Utc>) -> Value {
    let body = bolna(id, "completed", 50, json!({ "conversation_duration": 27.2, "total_cost": 3.54 }));
    let mut record: Value = serde_json::from_slice(&body).unwrap();
    record["telephony_data"]["provider_call_id"] = Value::Null;
    record["created_at"] = json!(stamp(created_at));
    record["initiated_at"] = json!(stamp(created_at));
    record["updated_at"] = json!(stamp(created_at + TimeDelta::seconds(60)));
    record
}

/// The same, in another status and without talk.
fn in_status(id: &str, status: &str, created_at: DateTime<Utc>) -> Value {
    let mut record = completed(id, created_at);
    record["status"] = json!(status);
    record["conversation_duration"] = json!(0);
    record["total_cost"] = json!(0);
    record
}

fn execution_id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

async fn webhook(db: &TestDb, user: Uuid, record: &Value) {
    deliver(db, user, "bolna", &serde_json::to_vec(record).unwrap()).await;
}

const INBOX: &str = "SELECT count(*) FROM tally.inbox";

/// What the pipeline made of everything, as text that depends neither on ids made here nor on times of receipt.
async fn picture(db: &TestDb) -> String {
    sqlx::query_scalar(
        "SELECT jsonb_build_object(
             'calls', (SELECT jsonb_agg(jsonb_build_array(c.bolna_execution_id, c.outcome, c.duration_seconds, c.cost_micros,
                           c.credits_micros, c.started_at, c.completed_at, c.attempt, c.flags) ORDER BY c.bolna_execution_id) FROM calls c),
             'contacts', (SELECT jsonb_agg(jsonb_build_array(k.phone_e164, k.name, k.not_connected) ORDER BY k.phone_e164) FROM contacts k),
             'charged', (SELECT sum(x.amount_micros) FROM credit_transactions x),
             'charges', (SELECT count(*) FROM credit_transactions x),
             'balance', (SELECT sum(u.credits_micros) FROM users u),
             'bodies', (SELECT jsonb_agg(encode(i.body_sha256, 'hex') ORDER BY i.body_sha256) FROM tally.inbox i),
             'quarantined', (SELECT count(*) FROM tally.quarantine))::text",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap()
}
