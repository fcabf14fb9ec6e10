//! What a database does to its clients without being ill: it ends their connections,
//! has few of them, finds deadlocks, refuses a tenant's rows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::harness::process::LONG;
use crate::harness::{Outcome, Run};

/// Connections of the daemon ended, one or all of them, again and again.
pub async fn terminated_backends(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    let daemon = run.place.start(&[]).await;
    for round in 0..count {
        run.traffic.keep_up(&run.place, (count - round) / 2 + 2).await;
        if round == count / 2 {
            run.look().await;
        }
        let moment = run.dice.milliseconds(50..=600);
        tokio::time::sleep(moment).await;
        terminate(&run.db, if run.dice.one_in(2) { 1 } else { 100 }).await;
    }
    run.judge(daemon, count, String::new()).await
}

/// Ends up to so many connections of the daemons, those at work first.
pub async fn terminate(db: &PgPool, most: i64) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM (
             SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'tallyline'
             ORDER BY state = 'idle', random() LIMIT $1) chosen",
    )
    .bind(most)
    .execute(db)
    .await
    .unwrap();
}

/// Raises deadlocks and failed serializations. Made before there is a daemon, whose
/// locks it would meet.
const TROUBLE: &str = include_str!("trouble.sql");

/// At least so many errors raised in the daemon's transactions. Which statements they
/// hit is the database's chance.
pub async fn injected_errors(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    sqlx::raw_sql(TROUBLE).execute(&run.db).await.unwrap();
    let daemon = run.place.start(&[]).await;
    let level = async |db: &PgPool, chance: f64| {
        sqlx::query("UPDATE faults.trouble_level SET chance = $1").bind(chance).execute(db).await.unwrap();
    };
    let raised = async |db: &PgPool| -> i64 {
        sqlx::query_scalar("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM faults.raised")
            .fetch_one(db)
            .await
            .unwrap()
    };
    let mut looked = false;
    while raised(&run.db).await < i64::try_from(count).unwrap() {
        if !run.traffic.is_under_way() {
            // A round begins with an administrator's commands: whoever gave them gives them again, no program does.
            level(&run.db, 0.0).await;
            run.traffic.keep_up(&run.place, count / 5 + 2).await;
            level(&run.db, 0.05).await;
        }
        if !looked {
            looked = true;
            run.look().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    level(&run.db, 0.0).await;
    let raised = u64::try_from(raised(&run.db).await).unwrap();
    run.judge(daemon, raised, String::new()).await
}

/// So many times a tenant whose calls the database refuses for a reason that is not
/// the data's; the others must be served all the same.
pub async fn poison(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    sqlx::raw_sql(include_str!("poison.sql")).execute(&run.db).await.unwrap();
    let daemon = run.place.start(&[]).await;
    for round in 0..count {
        run.traffic.keep_up(&run.place, (count - round) * 4).await;
        let newest = "SELECT id FROM users ORDER BY created_at DESC, id LIMIT 3";
        let tenants: Vec<Uuid> = sqlx::query_scalar(newest).fetch_all(&run.db).await.unwrap();
        let victim = *run.dice.pick(&tenants);
        sqlx::query("INSERT INTO faults.poisoned VALUES ($1)").bind(victim).execute(&run.db).await.unwrap();
        others_are_served(&run.db, victim).await;
        sqlx::query("DELETE FROM faults.poisoned").execute(&run.db).await.unwrap();
    }
    run.judge(daemon, count, String::new()).await
}

/// Waits until what came to other tenants in the next second is applied.
async fn others_are_served(db: &PgPool, victim: Uuid) {
    let until: DateTime<Utc> = sqlx::query_scalar("SELECT now() + interval '1 second'").fetch_one(db).await.unwrap();
    wait_until("all others are served", LONG, async || {
        let waiting = "SELECT count(*) FROM tally.inbox_pending
            WHERE state = 'ready' AND user_id <> $1 AND received_at < $2";
        let waiting: i64 = sqlx::query_scalar(waiting).bind(victim).bind(until).fetch_one(db).await.unwrap();
        let is_past: bool = sqlx::query_scalar("SELECT now() > $1").bind(until).fetch_one(db).await.unwrap();
        is_past && waiting == 0
    })
    .await;
}

/// So many seconds of webhooks with two connections for all jobs.
pub async fn small_pool(count: u64, seed: u64) -> Outcome {
    let db = TestDb::new().await;
    let mut run = Run::new(&db.url, &db.admin_url, seed);
    let daemon = run.place.start(&[("TALLYLINE_DATABASE__MAX_CONNECTIONS", "2")]).await;
    run.traffic.keep_up(&run.place, count).await;
    run.look().await;
    run.judge(daemon, count, String::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_connections_change_nothing() {
    terminated_backends(10, 8).await.accept("terminated_backends");
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_and_failed_serializations_are_tried_again() {
    injected_errors(40, 8).await.accept("injected_errors");
}

/// Failed at first: a batch of several tenants was tried again whole for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tenant_holds_up_no_other() {
    poison(1, 8).await.accept("poison");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_are_enough() {
    small_pool(3, 8).await.accept("small_pool");
}
