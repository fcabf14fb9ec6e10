//! Schedules while things go wrong: many schedulers, a clock that jumps, lost
//! connections, schedules that cannot be fired.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tallyline_queue::{Missed, Overlap, QueueError, ScheduleSpec, Scheduler};
use tallyline_testkit::TestDb;
use tokio_util::sync::CancellationToken;

use crate::schedules::{five_overdue, hourly, synced};
use crate::scripted::{Quick, World, count, runner, sql, stop, until_count, until_empty};

/// Disturbances of one storm.
const JUMPS: u64 = 300;

fn named(name: &str, cron: &str, zone: &str) -> ScheduleSpec {
    let spec = ScheduleSpec::of(name, cron, &Quick { n: 1 }).unwrap();
    spec.timezone(zone).overlap(Overlap::Allow).missed(Missed::CatchUp)
}

fn stormy() -> Vec<ScheduleSpec> {
    vec![
        named("every-minute", "* * * * *", "UTC"),
        named("every-quarter", "*/15 * * * *", "Asia/Kathmandu"),
        named("every-hour", "7 * * * *", "America/New_York"),
    ]
}

/// A scheduler on a single connection, whose end it survives.
async fn keep_firing(db: &TestDb, number: usize, stop: CancellationToken) -> Result<u32, QueueError> {
    let options = (*db.pool.connect_options()).clone().application_name(&format!("scheduler {number}"));
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect_with(options).await?;
    let scheduler = Scheduler::new(pool, stormy())?;
    let mut cut_off = 0;
    while !stop.is_cancelled() {
        match scheduler.fire_due().await {
            Ok(_) => tokio::task::yield_now().await,
            // Of the ledger's key, of a check: what no kill explains.
            Err(QueueError::Database(sqlx::Error::Database(error))) if error.code().as_deref() != Some("57P01") => {
                return Err(sqlx::Error::Database(error).into());
            }
            Err(QueueError::Database(_)) => cut_off += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(cut_off)
}

/// Sets every schedule to its first time from `at` on, as if the clock had been moved.
async fn set_clock(admin: &PgPool, at: DateTime<Utc>) {
    for spec in stormy() {
        let next = spec.parse().unwrap().next_after(at - TimeDelta::seconds(1));
        sqlx::query("UPDATE tally.schedules SET next_fire_at = $2 WHERE name = $1")
            .bind(spec.name)
            .bind(next)
            .execute(admin)
            .await
            .unwrap();
    }
}

/// The clock jumps ahead (times come due again), or back (none is due), or a scheduler's connection is killed.
async fn disturb(admin: &PgPool, base: DateTime<Utc>, step: u64) {
    let draw: u64 = rand::random();
    match step % 3 {
        0 => set_clock(admin, base + TimeDelta::minutes(i64::try_from(draw % 360).unwrap())).await,
        1 if draw.is_multiple_of(3) => set_clock(admin, base + TimeDelta::days(1)).await,
        _ => {
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'scheduler ' || $1";
            sqlx::query(kill).bind((draw % 10).to_string()).execute(admin).await.unwrap();
        }
    }
}

/// Breaks tried: without `FOR UPDATE SKIP LOCKED` in schedule_take.sql; without the look into the
/// ledger in `Held::fire`; the job committed before its row of the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_schedulers_a_jumping_clock_and_kills_fire_each_time_once() {
    let db = TestDb::new().await;
    Scheduler::new(db.pool.clone(), stormy()).unwrap().sync().await.unwrap();
    let base: DateTime<Utc> =
        sqlx::query_scalar("SELECT date_trunc('hour', now()) - interval '6 hours'").fetch_one(&db.admin).await.unwrap();
    let stop = CancellationToken::new();
    let storm = stop.run_until_cancelled(async {
        for step in 0..JUMPS {
            disturb(&db.admin, base, step).await;
        }
        // Whatever was passed over comes due once more.
        set_clock(&db.admin, base).await;
        let due = "SELECT count(*) FROM tally.schedules WHERE next_fire_at <= now()";
        until_count(&db, "all is fired", due, 0).await;
        stop.cancel();
    });
    let schedulers = futures::future::try_join_all((0..10).map(|number| keep_firing(&db, number, stop.clone())));
    let (cut_off, _) = tokio::join!(async { schedulers.await.inspect_err(|_| stop.cancel()) }, storm);
    let cut_off: u32 = cut_off.unwrap().into_iter().sum();
    assert!(cut_off > 0, "no scheduler was ever cut off");

    for spec in stormy() {
        let fired: Vec<DateTime<Utc>> = sqlx::query_scalar(
            "SELECT fire_at FROM tally.schedule_fires WHERE schedule = $1 AND outcome = 'enqueued' ORDER BY fire_at",
        )
        .bind(&spec.name)
        .fetch_all(&db.admin)
        .await
        .unwrap();
        let cron = spec.parse().unwrap();
        let expected: Vec<_> = cron.fires(base - TimeDelta::seconds(1), *fired.last().unwrap()).collect();
        assert_eq!(fired, expected, "{}", spec.name);
    }
    let jobs =
        "SELECT count(*) FROM tally.jobs j JOIN tally.schedule_fires f ON f.job_id = j.id AND f.outcome = 'enqueued'";
    assert_eq!(count(&db, jobs).await, count(&db, "SELECT count(*) FROM tally.schedule_fires").await);
    assert_eq!(count(&db, jobs).await, count(&db, "SELECT count(*) FROM tally.jobs").await, "a job without a fire");
}

/// Breaks tried: the first failure returned at once by `Scheduler::turn`; one schedule fired until it is no longer due
/// before the next has its turn.
#[tokio::test]
async fn schedules_that_cannot_be_fired_hold_up_no_other() {
    let db = TestDb::new().await;
    let specs: Vec<_> = ["a-zone", "b-refused", "c-held", "d-many", "e-good"]
        .into_iter()
        .map(|name| ScheduleSpec { name: name.to_owned(), ..hourly().missed(Missed::CatchUp) })
        .collect();
    let scheduler = Scheduler::new(db.pool.clone(), specs).unwrap();
    scheduler.sync().await.unwrap();
    sql(
        &db,
        "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now()) - interval '1 hour'
             * CASE name WHEN 'd-many' THEN 1200 WHEN 'e-good' THEN 0 ELSE 3000 END;
         UPDATE tally.schedules SET timezone = 'Mars/Olympus' WHERE name = 'a-zone';
         ALTER TABLE tally.schedule_fires ADD CHECK (schedule <> 'b-refused')",
    )
    .await;
    let mut holder = db.admin.begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM tally.schedules WHERE name = 'c-held' FOR UPDATE").execute(&mut *holder).await.unwrap();
    assert!(matches!(scheduler.fire_due().await, Err(QueueError::Schedule { name, .. }) if name == "a-zone"));
    let fired: Vec<(String, i64)> =
        sqlx::query_as("SELECT schedule, count(*) FROM tally.schedule_fires GROUP BY schedule ORDER BY schedule")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(fired, [("d-many".to_owned(), 1_201), ("e-good".to_owned(), 1)]);
    let before = "SELECT count(*) FROM tally.schedule_fires WHERE schedule = 'd-many'
                  AND fire_id < (SELECT fire_id FROM tally.schedule_fires WHERE schedule = 'e-good')";
    assert_eq!(count(&db, before).await, 500, "one transaction of the other goes first, not all of them");
    drop(holder);
    assert!(scheduler.fire_due().await.is_err());
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedule_fires WHERE schedule = 'c-held'").await, 3_001);
}

/// The loop goes on at its pace and fires what comes due while another schedule fails all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_runner_fires_beside_a_schedule_that_fails() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    let bad = ScheduleSpec { name: "bad".into(), ..hourly() };
    let runner = runner(&db, &world).schedules(vec![bad, hourly()], true).start().unwrap();
    until_count(&db, "the schedules are written", "SELECT count(*) FROM tally.schedules", 2).await;
    sql(&db, "UPDATE tally.schedules SET cron = 'never' WHERE name = 'bad'").await;
    five_overdue(&db).await;
    let good = "SELECT count(*) FROM tally.schedule_fires WHERE schedule = 'hourly'";
    until_count(&db, "the good one fired", good, 5).await;
    until_empty(&db).await;
    sql(&db, "UPDATE tally.schedules SET cron = '0 * * * *' WHERE name = 'bad'").await;
    until_count(&db, "the mended one fired", "SELECT count(*) FROM tally.schedule_fires WHERE schedule = 'bad'", 5)
        .await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(world.runs(), 2);
}

/// What is in the ledger is not fired again, and does not stop what comes after it. Break tried: the
/// look into the ledger left out; the schedule then fails for ever.
#[tokio::test]
async fn a_schedule_that_was_set_back_goes_on() {
    let db = TestDb::new().await;
    let scheduler = synced(&db, hourly().missed(Missed::CatchUp)).await;
    five_overdue(&db).await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 5);
    sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now()) - interval '6 hours'").await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 2);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedules WHERE next_fire_at > now()").await, 1);
}
