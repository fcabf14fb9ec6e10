//! What an operator does with schedules: pause, resume, run now, look at the history.

use sqlx::Connection;
use tallyline_queue::schedules::{self, RunNow};
use tallyline_queue::{JobError, Missed, Overlap, QueueError, ScheduleSpec, Scheduler};
use tallyline_testkit::{TestDb, wait_until};

use crate::schedules::{five_overdue, hourly, synced};
use crate::scripted::{Gate, LONG, World, count, runner, sql, stop, until_count};

async fn pause(db: &TestDb, name: &str) -> Result<bool, QueueError> {
    schedules::pause(&mut db.pool.acquire().await.unwrap(), name, "a test").await
}

async fn resume(db: &TestDb, name: &str) -> Result<Option<usize>, QueueError> {
    schedules::resume(&mut db.pool.acquire().await.unwrap(), name).await
}

async fn run_now(db: &TestDb, name: &str, forced: bool) -> Result<RunNow, QueueError> {
    schedules::run_now(&mut db.pool.acquire().await.unwrap(), name, forced).await
}

async fn outcomes(db: &TestDb) -> Vec<String> {
    let fires = schedules::history(&db.pool, "hourly", 100).await.unwrap();
    fires.into_iter().map(|fire| fire.outcome).collect()
}

/// Break tried: `resume` without `pass_by`; all five are then fired.
#[tokio::test]
async fn what_passed_during_a_pause_is_not_made_up_for() {
    for missed in [Missed::Skip, Missed::Coalesce, Missed::CatchUp] {
        let db = TestDb::new().await;
        let scheduler = synced(&db, hourly().missed(missed)).await;
        assert!(pause(&db, "hourly").await.unwrap());
        assert!(!pause(&db, "hourly").await.unwrap(), "it was paused already");
        five_overdue(&db).await;
        assert_eq!(scheduler.fire_due().await.unwrap(), 0);
        let shown = schedules::show(&db.pool, "hourly").await.unwrap();
        assert_eq!(shown.row.paused_reason.as_deref(), Some("a test"));
        assert!(shown.upcoming.iter().all(|at| *at > shown.row.now), "what a resumption would leave");

        assert_eq!(resume(&db, "hourly").await.unwrap(), Some(5));
        assert_eq!(resume(&db, "hourly").await.unwrap(), None, "it was not paused");
        assert_eq!(scheduler.fire_due().await.unwrap(), 0);
        assert_eq!(outcomes(&db).await, ["skipped_paused"; 5], "{missed:?}");
        assert_eq!(count(&db, "SELECT count(*) FROM tally.schedules WHERE next_fire_at > now()").await, 1);
        sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('second', now())").await;
        assert_eq!(scheduler.fire_due().await.unwrap(), 1, "{missed:?}: the next one is fired as ever");
    }
}

/// A restart writes the configuration anew.
#[tokio::test]
async fn a_pause_outlives_restarts_and_changes() {
    let db = TestDb::new().await;
    synced(&db, hourly()).await;
    pause(&db, "hourly").await.unwrap();
    let scheduler = synced(&db, ScheduleSpec { cron: "*/5 * * * *".into(), ..hourly() }).await;
    sql(&db, "UPDATE tally.schedules SET next_fire_at = date_trunc('hour', now())").await;
    assert_eq!(scheduler.fire_due().await.unwrap(), 0);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedules WHERE paused_reason = 'a test'").await, 1);
}

/// An order that is taken back with its transaction leaves nothing.
#[tokio::test]
async fn orders_belong_to_the_callers_transaction() {
    let db = TestDb::new().await;
    synced(&db, hourly()).await;
    pause(&db, "hourly").await.unwrap();
    five_overdue(&db).await;
    let mut connection = db.pool.acquire().await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    assert_eq!(schedules::resume(&mut tx, "hourly").await.unwrap(), Some(5));
    assert!(matches!(schedules::run_now(&mut tx, "hourly", false).await, Ok(RunNow::Enqueued { .. })));
    tx.rollback().await.unwrap();
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedules WHERE paused").await, 1);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.schedule_fires").await, 0);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 0);
}

/// Breaks tried: `forced` not looked at; the row of the ledger without `manual`, which then takes the place of a fire.
#[tokio::test]
async fn a_run_by_hand_heeds_overlap_unless_forced() {
    for (overlap, jobs) in [(Overlap::Allow, 2), (Overlap::Skip, 1), (Overlap::Queue, 1)] {
        let db = TestDb::new().await;
        let scheduler = synced(&db, hourly().overlap(overlap)).await;
        pause(&db, "hourly").await.unwrap();
        let RunNow::Enqueued { job_id } = run_now(&db, "hourly", false).await.unwrap() else { panic!("{overlap:?}") };
        let second = run_now(&db, "hourly", false).await.unwrap();
        assert_eq!(second == RunNow::StillLives { job_id: Some(job_id) }, overlap == Overlap::Skip, "{second:?}");
        assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, jobs, "{overlap:?}");
        assert!(matches!(run_now(&db, "hourly", true).await.unwrap(), RunNow::Enqueued { .. }));
        assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, jobs + 1, "{overlap:?}");
        let runs = schedules::history(&db.pool, "hourly", 100).await.unwrap();
        assert_eq!(runs.len(), if overlap == Overlap::Skip { 2 } else { 3 }, "a refusal is no run");
        assert!(runs.iter().all(|run| run.manual && run.job_state.as_deref() == Some("waiting")), "{runs:?}");

        // The clock's time is its own, even where it falls on a run by hand.
        resume(&db, "hourly").await.unwrap();
        sql(&db, "DELETE FROM tally.jobs").await;
        sql(&db, "UPDATE tally.schedules SET next_fire_at = (SELECT max(fire_at) FROM tally.schedule_fires)").await;
        assert_eq!(scheduler.fire_due().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_answered_with_the_nearest() {
    let db = TestDb::new().await;
    let specs = ["verify-nightly", "purge-nightly", "reconcile-hourly"];
    let specs = specs.map(|name| ScheduleSpec { name: name.to_owned(), ..hourly() }).to_vec();
    Scheduler::new(db.pool.clone(), specs).unwrap().sync().await.unwrap();
    for (name, expected) in [
        ("verify-nihgtly", Some("verify-nightly")),
        ("purge_nightly", Some("purge-nightly")),
        ("reconcile", Some("reconcile-hourly")),
        ("something else", None),
        ("", None),
    ] {
        for error in [
            pause(&db, name).await.unwrap_err(),
            resume(&db, name).await.unwrap_err(),
            run_now(&db, name, false).await.unwrap_err(),
            schedules::show(&db.pool, name).await.unwrap_err(),
            schedules::history(&db.pool, name, 1).await.unwrap_err(),
        ] {
            let QueueError::UnknownSchedule { nearest, .. } = &error else { panic!("{error}") };
            assert_eq!(nearest.as_deref(), expected, "{name}");
            assert_eq!(error.to_string().contains("did you mean"), expected.is_some(), "{error}");
        }
    }
}

#[tokio::test]
async fn the_next_fires_are_shown_and_so_is_why_there_are_none() {
    let db = TestDb::new().await;
    let named = |name: &str, cron: &str| ScheduleSpec { name: name.into(), cron: cron.into(), ..hourly() };
    let specs = vec![named("a", "0 12 * * *"), named("b", "0 0 30 2 *"), named("c", "0 * * * *")];
    Scheduler::new(db.pool.clone(), specs).unwrap().sync().await.unwrap();
    sql(&db, "UPDATE tally.schedules SET timezone = 'Mars/Olympus' WHERE name = 'c'").await;
    let [daily, never, broken] = &schedules::list(&db.pool).await.unwrap()[..] else { panic!("not three") };
    assert_eq!(daily.upcoming.len(), 5);
    assert_eq!(daily.upcoming.first(), daily.row.next_fire_at.as_ref());
    assert!(daily.upcoming.iter().all(|at| at.format("%H:%M").to_string() == "12:00"), "{daily:?}");
    assert_eq!((&never.upcoming[..], &never.problem), (&[][..], &None));
    assert!(broken.upcoming.is_empty() && broken.problem.as_ref().unwrap().contains("Mars/Olympus"), "{broken:?}");
}

/// Jobs by their payload: 0 is well, 1 is hopeless, 2 waits at the gate, 3 fails.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_what_became_of_the_jobs() {
    let db = TestDb::new().await;
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(move |n, _| {
        let gate = inner.clone();
        async move {
            match n {
                1 => return Err(JobError::fatal("hopeless")),
                2 => gate.pass().await,
                3 => return Err(JobError::retry("not now")),
                _ => {}
            }
            Ok(())
        }
    });
    synced(&db, hourly()).await;
    let runner = runner(&db, &world).start().unwrap();
    let mut ids = Vec::new();
    for (n, kind) in [(0, "quick"), (1, "quick"), (2, "quick"), (3, "slow"), (0, "nobody-knows")] {
        sqlx::query("UPDATE tally.schedules SET kind = $1, payload = jsonb_build_object('n', $2), queue = CASE $1 WHEN 'nobody-knows' THEN 'elsewhere' ELSE queue END")
            .bind(kind)
            .bind(n)
            .execute(&db.admin)
            .await
            .unwrap();
        let RunNow::Enqueued { job_id } = run_now(&db, "hourly", false).await.unwrap() else { panic!("{n}") };
        ids.insert(0, job_id);
    }
    gate.arrival().await;
    let expected = [
        ("waiting", None),
        ("retrying", Some("not now")),
        ("running", None),
        ("dead", Some("hopeless")),
        ("succeeded", None),
    ];
    let expected: Vec<_> = ids.iter().zip(expected).collect();
    wait_until("the jobs have gone their ways", LONG, async || {
        let runs = schedules::history(&db.pool, "hourly", 100).await.unwrap();
        let seen = runs.iter().map(|run| (run.job_id, run.job_state.as_deref(), run.job_error.as_deref()));
        seen.eq(expected.iter().map(|(id, (state, error))| (Some(**id), Some(*state), *error)))
    })
    .await;
    gate.open(1);
    until_count(&db, "the third has ended", "SELECT count(*) FROM tally.jobs WHERE state = 'claimed'", 0).await;
    stop(runner).await;
    assert_eq!(schedules::history(&db.pool, "hourly", 2).await.unwrap().len(), 2);
    // Past its retention nothing is known of a job.
    sql(&db, "TRUNCATE tally.job_history").await;
    let runs = schedules::history(&db.pool, "hourly", 100).await.unwrap();
    assert_eq!(runs.last().unwrap().job_state, None);
}
