//! Schedules: each due time once, and the policies.

use chrono::{DateTime, TimeDelta, Utc};
use tallyline_queue::{Fold, Gap, Missed, Overlap, QueueError, ScheduleSpec, Scheduler};
use tallyline_testkit::TestDb;

use crate::scripted::{Quick, World, count, runner, sql, stop, until_count, until_empty};

const JOBS: &str = "SELECT count(*) FROM tally.jobs";
const FIRES: &str = "SELECT count(*) FROM tally.schedule_fires";

pub fn hourly() -> ScheduleSpec {
    ScheduleSpec::of("hourly", "0 * * * *", &Quick { n: 1 }).unwrap().overlap(Overlap::Allow)
}

pub async fn synced(db: &TestDb, spec: ScheduleSpec) -> Scheduler {
    let scheduler = Scheduler::new(db.pool.clone(), vec![spec]).unwrap();
    scheduler.sync().await.unwrap();
    scheduler
}

/// Five whole hours are overdue, the last one by less than an hour.
pub async fn five_overdue(db: &TestDb) {
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

/// Breaks tried: the last instead of the `nth_last`; `within` not looked at.
#[tokio::test]
async fn what_is_caught_up_has_bounds() {
    let caught_up = ScheduleSpec { missed: Missed::CatchUp, ..hourly() };
    for (most, within_seconds, enqueued) in [
        (None, None, 5),
        (Some(2), None, 2),
        (Some(9), None, 5),
        // The hour before the last is between one and two hours old.
        (None, Some(7_200), 2),
        (Some(1), Some(7_200), 1),
        (Some(4), Some(7_200), 2),
    ] {
        let db = TestDb::new().await;
        let spec = ScheduleSpec { catch_up_max: most, catch_up_within_seconds: within_seconds, ..caught_up.clone() };
        let scheduler = synced(&db, spec).await;
        five_overdue(&db).await;
        assert_eq!(scheduler.fire_due().await.unwrap(), enqueued, "{most:?} {within_seconds:?}");
        let fires = fires(&db).await;
        let (missed, made_up) = fires.split_at(5 - enqueued);
        assert!(missed.iter().all(|fire| *fire == ("skipped_missed".to_owned(), false)), "{fires:?}");
        assert!(made_up.iter().all(|fire| *fire == ("enqueued".to_owned(), true)), "{fires:?}");
    }
}

/// More than one transaction takes. Break tried: the bound counted within each transaction.
#[tokio::test]
async fn the_bound_is_of_all_that_are_due() {
    let db = TestDb::new().await;
    let spec = ScheduleSpec { catch_up_max: Some(700), missed: Missed::CatchUp, ..hourly() };
    let scheduler = synced(&db, spec).await;
    sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now()) - interval '1200 hours'").await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 700);
    let oldest = "SELECT count(*) FROM tally.schedule_fires WHERE outcome = 'skipped_missed' AND fire_at < (
                      SELECT min(fire_at) FROM tally.schedule_fires WHERE outcome = 'enqueued')";
    assert_eq!(count(&db, oldest).await, 501);
}

/// Two installations stand for two schedulers of one. Break tried: `rand` instead of the hash.
#[tokio::test]
async fn jitter_moves_the_job_and_not_the_fire() {
    let mut seen = Vec::new();
    let mut at: Option<DateTime<Utc>> = None;
    for _ in 0..2 {
        let db = TestDb::new().await;
        let spec = ScheduleSpec { jitter_seconds: 86_400, missed: Missed::CatchUp, ..hourly() };
        let scheduler = synced(&db, spec).await;
        let moved = "UPDATE tally.schedules SET next_fire_at =
                     coalesce($1, date_trunc('hour', now()) - interval '4 hours') RETURNING next_fire_at";
        at = Some(sqlx::query_scalar(moved).bind(at).fetch_one(&db.admin).await.unwrap());
        assert!(scheduler.fire_due().await.unwrap() >= 5);
        let jobs: Vec<(DateTime<Utc>, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
            "SELECT f.fire_at, j.run_at, j.created_at FROM tally.schedule_fires f JOIN tally.jobs j ON j.id = f.job_id
             ORDER BY f.fire_at LIMIT 5",
        )
        .fetch_all(&db.admin)
        .await
        .unwrap();
        let hours = jobs.iter().map(|(fire_at, ..)| *fire_at);
        assert!(hours.eq((0..5).map(|hour| at.unwrap() + TimeDelta::hours(hour))), "{jobs:?}");
        for (fire_at, run_at, created_at) in &jobs {
            assert!(run_at >= created_at && *run_at < *fire_at + TimeDelta::days(1), "{jobs:?}");
        }
        seen.push(jobs);
    }
    // What lies in the past already starts at once, wherever that is.
    let both = seen[0].iter().zip(&seen[1]).filter(|(one, other)| one.1 > one.2 && other.1 > other.2);
    let delays: Vec<_> = both.map(|(one, other)| (one.1, other.1)).collect();
    assert!(!delays.is_empty() && delays.iter().all(|(one, other)| one == other), "{delays:?}");
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
        let requested = count(&db, "SELECT max(requested)::bigint FROM tally.jobs").await;
        assert_eq!(requested, if overlap == Overlap::Queue { 2 } else { 1 }, "{overlap:?}");
    }
}

#[tokio::test]
async fn a_paused_schedule_waits_and_a_changed_one_starts_from_now() {
    let db = TestDb::new().await;
    let scheduler = synced(&db, hourly()).await;
    sql(&db, "UPDATE tally.schedules SET paused = true, paused_at = now(), paused_reason = 'test'").await;
    five_overdue(&db).await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 0);

    let kept = "SELECT count(*) FROM tally.schedules WHERE next_fire_at < now() AND paused";
    synced(&db, hourly()).await;
    assert_eq!(count(&db, kept).await, 1, "writing the same again changes neither pause nor next fire");
    let restarted = "SELECT count(*) FROM tally.schedules WHERE next_fire_at > now() AND paused";
    for changed in [
        ScheduleSpec { cron: "30 * * * *".into(), ..hourly() },
        ScheduleSpec { timezone: "Europe/Berlin".into(), ..hourly() },
        hourly().gap(Gap::Skip),
        hourly().fold(Fold::Second),
    ] {
        five_overdue(&db).await;
        synced(&db, changed.clone()).await;
        assert_eq!(count(&db, restarted).await, 1, "{changed:?}");
    }

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
        vec![ScheduleSpec { catch_up_max: Some(2), ..hourly() }],
        vec![ScheduleSpec { catch_up_within_seconds: Some(60), ..hourly() }],
        vec![ScheduleSpec { catch_up_max: Some(0), ..hourly().missed(Missed::CatchUp) }],
        vec![ScheduleSpec { jitter_seconds: -1, ..hourly() }],
        vec![ScheduleSpec { jitter_seconds: 86_401, ..hourly() }],
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
