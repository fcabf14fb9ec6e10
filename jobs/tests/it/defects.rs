//! What went wrong in the platform before, one test a defect: `defect_NN_what_holds_now`.
//!
//! The numbers are those of `docs/defects.md`. The first sentence of a test says
//! what went wrong then; each says which break was tried.

mod caches;
mod core_writes;
mod counting;
mod figures;
mod leads;
mod money;
mod order;
mod statements;
mod zones;

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::FromRow;
use tallyline_jobs::settings::SettingsHandle;
use tallyline_jobs::{ProcessCallEvents, RollUp, process_drain, registry, roll_up_drain};
use tallyline_queue::{Hint, Runner};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::caches::deps;
use crate::support::*;

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A database with one tenant in a zone.
async fn scene(zone: &str) -> (TestDb, Uuid) {
    let db = TestDb::new().await;
    let user = tenant(&db, zone).await;
    (db, user)
}

/// A Bolna event whose call has no carrier's id, so that calls do not share one.
fn event(id: &str, status: &str, second: u32, mut more: Value) -> Vec<u8> {
    more["telephony_data"]["provider_call_id"] = Value::Null;
    bolna(id, status, second, more)
}

/// A whole call of so many seconds in one event.
fn talk(id: &str, seconds: f64) -> Vec<u8> {
    event(id, "completed", 50, json!({ "conversation_duration": seconds, "total_cost": 1 }))
}

/// An analysis with these scores (intent, urgency, budget, fit, engagement), and their sum as the total.
fn scored(id: &str, scores: [Option<i32>; 5], at: &str, more: Value) -> Vec<u8> {
    let [intent, urgency, budget, fit, engagement] = scores;
    let mut analysis = json!({
        "intent_score": intent, "urgency_score": urgency, "budget_score": budget, "fit_score": fit, "engagement_score": engagement,
    });
    for (key, value) in more.as_object().unwrap() {
        analysis[key] = value.clone();
    }
    serde_json::to_vec(&json!({
        "execution_id": id, "analysis_type": "individual", "analyzed_at": format!("2026-03-03T{at}Z"), "analysis": analysis
    }))
    .unwrap()
}

async fn send(db: &TestDb, user: Uuid, bodies: impl IntoIterator<Item = Vec<u8>>) {
    for body in bodies {
        assert!(deliver(db, user, "bolna", &body).await, "sent before");
    }
}

/// Applies what came, recomputes what is marked, and compares every hour, day and month with the calls.
async fn settle(db: &TestDb) {
    process(db).await;
    roll_up(db).await;
    check_exact(db).await;
}

async fn run(db: &TestDb, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&db.admin).await.unwrap();
}

async fn texts(db: &TestDb, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&db.admin).await.unwrap()
}

/// What a day row says.
#[derive(Debug, PartialEq, Eq, FromRow)]
struct Day {
    calls: i32,
    answered: i32,
    failed: i32,
    minutes: i32,
    micro_credits: i64,
    leads: i32,
    qualified: i32,
}

/// The tenant's only day; fails when there are more.
async fn day(db: &TestDb) -> Day {
    let mut days: Vec<Day> = sqlx::query_as(
        "SELECT total_calls AS calls, successful_calls AS answered, failed_calls AS failed, total_duration_minutes AS minutes,
                credits_micros AS micro_credits, leads_generated AS leads, qualified_leads AS qualified
         FROM user_analytics WHERE grain = 'day'",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(days.len(), 1, "{days:?}");
    days.remove(0)
}

/// A worker as the daemon has one: drains, jobs, a lease of its own.
fn worker(db: &TestDb) -> Runner {
    let (inbox, marks) = (Hint::new(), Hint::new());
    let process = ProcessCallEvents {
        pool: db.pool.clone(),
        options: process_options(),
        settings: SettingsHandle::default(),
        rollup_hint: marks.clone(),
        leads_hint: Hint::new(),
    };
    let roll_up = RollUp { pool: db.pool.clone(), options: roll_up_options() };
    Runner::builder(db.pool.clone(), registry().unwrap(), deps(db, 3600))
        .drain(process_drain(process, &inbox, 1))
        .drain(roll_up_drain(roll_up, &marks, 1))
        .start()
        .unwrap()
}

/// A worker that runs jobs only: events and marks are worked off by the test.
fn job_worker(db: &TestDb) -> Runner {
    Runner::builder(db.pool.clone(), registry().unwrap(), deps(db, 3600)).start().unwrap()
}

async fn until(db: &TestDb, what: &str, sql: &'static str, expected: i64) {
    wait_until(what, LONG, || async { number(db, sql).await == expected }).await;
}

const JOBS: &str = "SELECT count(*) FROM tally.jobs";
const WAITERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
