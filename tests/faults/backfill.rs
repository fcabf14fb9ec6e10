//! A backfill whose process is killed again and again ends with the bytes of one
//! that ran through.

use std::process::Output;
use std::time::{Duration, Instant};

use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::daemon::{Site, text};

/// How large, and how often the process dies.
#[derive(Debug, Clone, Copy)]
struct Size {
    tenants: i32,
    days: i32,
    calls_a_day: i32,
    kills: i64,
    /// For one backfill, however slow the machine.
    deadline: Duration,
}

/// A database with tenants and calls that nothing was ever counted of.
async fn filled(size: Size) -> TestDb {
    let db = TestDb::new().await;
    sqlx::query(include_str!("fill_tenants.sql")).bind(size.tenants).execute(&db.admin).await.unwrap();
    sqlx::query(include_str!("fill_calls.sql"))
        .bind(size.days)
        .bind(size.calls_a_day)
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("TRUNCATE tally.rollup_marks").execute(&db.admin).await.unwrap();
    sqlx::query("ANALYZE").execute(&db.admin).await.unwrap();
    db
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn start(site: &Site) -> Uuid {
    let started = site.run(&["backfill", "start", "--mode", "missing", "--method", "scan", "--yes", "--json"]);
    json(&started)["id"].as_str().unwrap().parse().unwrap()
}

async fn number(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

async fn units_done(db: &TestDb) -> i64 {
    number(db, "SELECT count(*) FROM tally.backfill_units WHERE state = 'done'").await
}

/// Whether a unit is locked by who works on it; with `writing`, whether its
/// transaction has begun to replace rows.
async fn in_work(db: &TestDb, writing: bool) -> bool {
    let table = if writing { "quarter_rollups" } else { "backfill_units" };
    let mode = if writing { "RowExclusiveLock" } else { "RowShareLock" };
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE c.relname = $1 AND l.mode = $2 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
    )
    .bind(table)
    .bind(mode)
    .fetch_one(&db.admin)
    .await
    .unwrap()
}

/// Waits until the backfill is done and nothing is marked; returns the digest and the rows.
async fn finish(db: &TestDb, site: &Site, id: Uuid, deadline: Duration) -> (String, i64) {
    wait_until("the backfill is over", deadline, || async {
        number(db, "SELECT count(*) FROM tally.backfills WHERE state = 'running'").await == 0
    })
    .await;
    let shown = json(&site.run(&["backfill", "show", &id.to_string(), "--json"]));
    assert_eq!(shown["backfill"]["state"], "done", "{shown}");
    let calls = number(db, "SELECT count(*) FROM calls").await;
    assert_eq!(shown["backfill"]["calls_read"], calls, "every call in one unit, once: {shown}");
    wait_until("nothing is marked", deadline, || async {
        number(db, "SELECT count(*) FROM tally.rollup_marks").await == 0
    })
    .await;
    sqlx::query_as(include_str!("digest.sql")).fetch_one(&db.admin).await.unwrap()
}

/// The backfill of a database of its own, with kills spread over it; half of them
/// while rows are being replaced.
async fn backfilled(size: Size, kills: i64) -> (String, i64) {
    let db = filled(size).await;
    let site = Site::new(&db);
    let id = start(&site);
    let units = number(&db, "SELECT count(*) FROM tally.backfill_units").await;
    assert!(units > 2 * kills, "{units} units are too few for {kills} kills");
    let began = Instant::now();
    let mut daemon = site.start().await;
    for kill in 0..kills {
        let least = units * kill / (kills + 1);
        wait_until("a unit is being done", size.deadline, || async {
            units_done(&db).await >= least && in_work(&db, kill % 2 == 0).await
        })
        .await;
        daemon.kill();
        daemon = site.start().await;
    }
    let (digest, rows) = finish(&db, &site, id, size.deadline).await;
    let seconds = began.elapsed().as_secs_f64();
    // With a bound the charges are left out: these calls have none.
    let verified = site.run(&["verify", "--from", "2025-01-01T00:00:00Z"]);
    assert!(verified.status.success(), "{}", text(&verified));
    drop(daemon);
    let calls = number(&db, "SELECT count(*) FROM calls").await;
    let work = number(&db, "SELECT (1000 * sum(work_seconds))::bigint FROM tally.backfill_units").await;
    eprintln!(
        "{} tenants, {} days, {calls} calls, {units} units, {kills} kills: {seconds:.1} s, of which {:.1} s in the units that ended; \
         {rows} rows, digest {digest}",
        size.tenants,
        size.days,
        work as f64 / 1000.0
    );
    (digest, rows)
}

async fn killed_equals_uninterrupted(size: Size) {
    let uninterrupted = backfilled(size, 0).await;
    let killed = backfilled(size, size.kills).await;
    assert!(uninterrupted.1 > 0);
    assert_eq!(killed, uninterrupted);
}

/// Break tried: a unit noted as done in a transaction of its own before its rows
/// are written; the units that a kill hits have no rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_killed_again_and_again_equals_one_that_ran_through() {
    let size = Size { tenants: 12, days: 90, calls_a_day: 4, kills: 5, deadline: Duration::from_secs(120) };
    killed_equals_uninterrupted(size).await;
}

/// 90 days × 200 tenants, killed 20 times. Minutes; run it in a release build:
/// `cargo test --release -p tallyline --test faults -- --ignored --nocapture backfill_full`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn backfill_full() {
    let size = Size { tenants: 200, days: 90, calls_a_day: 20, kills: 20, deadline: Duration::from_secs(1200) };
    killed_equals_uninterrupted(size).await;
}
