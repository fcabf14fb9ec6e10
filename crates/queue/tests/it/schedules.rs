//! Schedules: each due time once, and the policies.

use tallyline_queue::{Missed, Overlap, QueueError, ScheduleSpec, Scheduler};
use tallyline_testkit::TestDb;

use crate::scripted::{Quick, World, count, runner, sql, stop, until_count, until_empty};

const JOBS: &str = "SELECT count(*) FROM tally.jobs";
const FIRES: &str = "SELECT count(*) FROM tally.schedule_fires";

fn hourly() -> ScheduleSpec {
    ScheduleSpec::of("hourly", "0 * * * *", &Quick { n: 1 }).unwrap().overlap(Overlap::Allow)
}

async fn synced(db: &TestDb, spec: ScheduleSpec) -> Scheduler {
    let scheduler = Scheduler::new(db.pool.clone(), vec![spec]).unwrap();
    scheduler.sync().await.unwrap();
    scheduler
}

/// Five whole hours are overdue, the last one by less than an hour.
async fn five_overdue(db: &TestDb) {
    sql(db, "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now()) - interval '4 hours'").await;
}

async fn fires(db: &TestDb) -> Vec<(String, bool)> {
    sqlx::query_as("SELECT outcome, job_id IS NOT NULL FROM tally.schedule_fires ORDER BY fire_at")
        .fetch_all(&db.admin)
        .await
        .unwrap()
}

/// Broken by hand: without `FOR UPDATE SKIP LOCKED` in schedule_take.sql the
/// ledger's key refuses the second.
#[tokio::test(flavor = "multi_thread")]
async fn defect_47_ten_schedulers_fire_each_time_once() {
    let db = TestDb::new().await;
    synced(&db, hourly().missed(Missed::CatchUp)).await;
    sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now()) - interval '1200 hours'").await;
    let schedulers: Vec<_> = (0..10)
        .map(|_| {
            let scheduler = Scheduler::new(db.pool.clone(), vec![hourly().missed(Missed::CatchUp)]).unwrap();
            tokio::spawn(async move { scheduler.fire_due().await })
        })
        .collect();
    let mut enqueued = 0;
    for scheduler in schedulers {
        enqueued += scheduler.await.unwrap().expect("none ran into the ledger's key");
    }
    // Those that found the row locked went away; one more round ends it.
    enqueued += synced(&db, hourly().missed(Missed::CatchUp)).await.fire_due().await.unwrap();
    assert_eq!(enqueued, 1_201);
    assert_eq!((count(&db, JOBS).await, count(&db, FIRES).await), (1_201, 1_201));
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedules WHERE next_fire_at > now()").await, 1);
}

#[tokio::test]
async fn missed_fires_coalesce() {
    let db = TestDb::new().await;
    let scheduler = synced(&db, hourly().missed(Missed::Coalesce)).await;
    five_overdue(&db).await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 1);
    let missed = ("skipped_missed".to_owned(), false);
    let last = ("enqueued".to_owned(), true);
    assert_eq!(fires(&db).await, [missed.clone(), missed.clone(), missed.clone(), missed, last]);
    assert_eq!(scheduler.fire_due().await.unwrap(), 0);
}

#[tokio::test]
async fn missed_fires_are_skipped_and_timely_ones_are_not() {
    let db = TestDb::new().await;
    let every_minute = ScheduleSpec::of("minutely", "* * * * *", &Quick { n: 1 })
        .unwrap()
        .overlap(Overlap::Allow)
        .missed(Missed::Skip);
    let scheduler = synced(&db, every_minute).await;
    sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('minute', now()) - interval '10 minutes'").await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 1);
    let enqueued =
        "SELECT count(*) FROM tally.schedule_fires WHERE outcome = 'enqueued' AND fired_at - fire_at < '61 s'";
    assert_eq!(count(&db, enqueued).await, 1);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedule_fires WHERE outcome = 'skipped_missed'").await, 10);
}

#[tokio::test]
async fn a_fire_and_its_job_come_together_or_not_at_all() {
    let db = TestDb::new().await;
    let scheduler = synced(&db, hourly()).await;
    five_overdue(&db).await;
    sql(&db, "ALTER TABLE tally.schedule_fires ADD CHECK (outcome <> 'enqueued') NOT VALID").await;
    assert!(matches!(scheduler.fire_due().await, Err(QueueError::Database(_))));
    assert_eq!((count(&db, JOBS).await, count(&db, FIRES).await), (0, 0));
}

#[tokio::test]
async fn overlap_decides_what_becomes_of_the_next_fire() {
    for (overlap, jobs, last) in
        [(Overlap::Allow, 2, "enqueued"), (Overlap::Skip, 1, "skipped_overlap"), (Overlap::Queue, 1, "enqueued")]
    {
        let db = TestDb::new().await;
        let scheduler = synced(&db, hourly().overlap(overlap).missed(Missed::CatchUp)).await;
        sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now()) - interval '1 hour'").await;
        scheduler.fire_due().await.unwrap();
        assert_eq!(count(&db, JOBS).await, jobs, "{overlap:?}");
        assert_eq!(fires(&db).await[1].0, last, "{overlap:?}");
        let requested = count(&db, "SELECT max(requested) FROM tally.jobs").await;
        assert_eq!(requested, if overlap == Overlap::Queue { 2 } else { 1 }, "{overlap:?}");
    }
}

#[tokio::test]
async fn a_paused_schedule_waits_and_a_changed_one_starts_from_now() {
    let db = TestDb::new().await;
    let scheduler = synced(&db, hourly()).await;
    sql(&db, "UPDATE tally.schedules SET paused = true").await;
    five_overdue(&db).await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 0);

    let kept = "SELECT count(*) FROM tally.schedules WHERE next_fire_at < now() AND paused";
    synced(&db, hourly()).await;
    assert_eq!(count(&db, kept).await, 1, "writing the same again changes neither pause nor next fire");
    let changed = ScheduleSpec { cron: "30 * * * *".into(), ..hourly() };
    synced(&db, changed).await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedules WHERE next_fire_at > now() AND paused").await, 1);

    let other = ScheduleSpec { name: "other".into(), ..hourly() };
    synced(&db, other).await;
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM tally.schedules").fetch_all(&db.admin).await.unwrap();
    assert_eq!(names, ["other"], "what is no longer listed is gone");
}

#[tokio::test]
async fn bad_schedules_are_refused_before_anything_is_written() {
    let db = TestDb::new().await;
    let bad = [
        vec![ScheduleSpec { cron: "61 * * * *".into(), ..hourly() }],
        vec![ScheduleSpec { timezone: "Mars/Olympus".into(), ..hourly() }],
        vec![hourly(), hourly()],
    ];
    for specs in bad {
        assert!(matches!(Scheduler::new(db.pool.clone(), specs), Err(QueueError::Schedule { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_fires_and_runs() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    let runner = runner(&db, &world).schedules(vec![hourly()], true).start().unwrap();
    until_count(&db, "the schedule is written", "SELECT count(*) FROM tally.schedules", 1).await;
    five_overdue(&db).await;
    until_count(&db, "it fired", FIRES, 5).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(world.runs(), 1);
}
