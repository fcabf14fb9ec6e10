//! Every column of the day rows and of the cached periods, by its definition, from calls.

use std::time::Duration;

use tallyline_queue::Runner;
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::caches::deps;
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

async fn seeded(db: &TestDb, zone: &str) -> Uuid {
    let user = tenant(db, zone).await;
    agent(db, user, "agent-b").await;
    sqlx::query(include_str!("insert_months.sql")).bind(user).execute(&db.admin).await.unwrap();
    user
}

async fn lines(db: &TestDb, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&db.admin).await.unwrap()
}

/// Rolls up what is marked and lets the caches be rebuilt.
async fn settle(db: &TestDb) {
    roll_up(db).await;
    sqlx::query("SELECT tally.request_job('rebuild_dashboards', 'tenant', id) FROM users")
        .execute(&db.admin)
        .await
        .unwrap();
    wait_until("the caches are rebuilt", LONG, || async {
        number(db, "SELECT count(*) FROM tally.jobs WHERE kind = 'rebuild_dashboards'").await == 0
    })
    .await;
}

async fn check(db: &TestDb) {
    let days = lines(db, include_str!("day_differences.sql")).await;
    assert!(days.is_empty(), "{} differences of days, such as {:?}", days.len(), days.first());
    let periods = lines(db, include_str!("period_differences.sql")).await;
    assert!(periods.is_empty(), "{} differences of periods, such as {:?}", periods.len(), periods.first());
}

/// Breaks tried in upsert_periods.sql: weeks from Sunday (a check refuses them); contacts counted in each of their days;
/// `floor` for the percentile's `ceil`; periods left out that are there, whatever their generation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_weeks_and_months_are_what_their_calls_say() {
    let db = TestDb::new().await;
    for zone in ["Asia/Kathmandu", "America/New_York"] {
        seeded(&db, zone).await;
    }
    let worker =
        Runner::builder(db.pool.clone(), tallyline_jobs::registry().unwrap(), deps(&db, 3600)).start().unwrap();
    settle(&db).await;
    check(&db).await;
    assert_eq!(number(&db, "SELECT count(DISTINCT period_type) FROM call_analytics_cache").await, 3);

    // A call moves from one month to another, one becomes another outcome, one goes.
    for change in [
        "UPDATE calls SET started_at = started_at - interval '31 days' WHERE id = (SELECT id FROM calls WHERE outcome = 'answered' ORDER BY started_at DESC LIMIT 1)",
        "UPDATE calls SET outcome = 'voicemail' WHERE id = (SELECT id FROM calls WHERE outcome = 'answered' ORDER BY started_at LIMIT 1)",
        "DELETE FROM calls WHERE id = (SELECT id FROM calls ORDER BY started_at OFFSET 100 LIMIT 1)",
        "UPDATE lead_analytics SET total_score = 5, quality = 'unqualified' WHERE id = (SELECT id FROM lead_analytics WHERE quality = 'hot' ORDER BY id LIMIT 1)",
    ] {
        sqlx::query(change).execute(&db.admin).await.unwrap();
    }
    settle(&db).await;
    check(&db).await;
    assert!(worker.shutdown(LONG).await);
}
