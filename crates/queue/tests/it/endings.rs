//! How runs end: failures, panics, deadlines, interruptions, dead letters.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tallyline_queue::JobError;
use tallyline_testkit::TestDb;

use crate::scripted::{
    Brief, Gate, LONG, Quick, Slow, World, count, enqueue, outcomes, runner, sql, stop, until_count, until_empty,
};

const FAILED: &str = "SELECT count(*) FROM tally.job_history WHERE outcome = 'failed'";

/// Delay of the one job there is, from the end of its last attempt.
async fn delay_seconds(db: &TestDb) -> f64 {
    sqlx::query_scalar(
        "SELECT extract(epoch FROM j.run_at - max(h.finished_at))::float8
         FROM tally.jobs j JOIN tally.job_history h ON h.job_id = j.id GROUP BY j.run_at",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap()
}

/// Broken by hand: with `run_at` left as it was, the second attempt is made at once.
#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_within_growing_bounds_and_then_buried() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Err(JobError::retry("no luck")) });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Slow { n: 1 }).await;
    // An hour, then capped at an hour and a half.
    for (attempt, bound_seconds) in [(1, 3_600.0), (2, 5_400.0)] {
        until_count(&db, "the attempt failed", FAILED, attempt).await;
        let delay = delay_seconds(&db).await;
        assert!((0.0..=bound_seconds).contains(&delay), "attempt {attempt}: {delay} s");
        assert_eq!(world.runs() as i64, attempt, "not before its time");
        assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE last_error = 'no luck'").await, 1);
        sql(&db, "UPDATE tally.jobs SET run_at = now()").await;
    }
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["failed", "failed", "dead"]);
    let (reason, attempts): (String, i32) =
        sqlx::query_as("SELECT reason, attempts FROM tally.dead_jobs").fetch_one(&db.admin).await.unwrap();
    assert_eq!((reason.as_str(), attempts), ("no luck", 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_say_when_to_try_again() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Err(JobError::retry_after(Duration::from_secs(7_200), "busy")) });
    let runner = runner(&db, &world).start().unwrap();
    enqueue(&db, &Quick { n: 1 }).await;
    until_count(&db, "the attempt failed", FAILED, 1).await;
    let delay = delay_seconds(&db).await;
    assert!((delay - 7_200.0).abs() < 0.001, "{delay} s");
    stop(runner).await;
    assert_eq!(world.runs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_error_is_final() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Err(JobError::fatal("never")) });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["dead"]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.dead_jobs WHERE reason = 'never'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_and_the_worker_lives_on() {
    let db = TestDb::new().await;
    let world = World::new(|_, ctx| async move {
        assert!(ctx.job.attempt > 2, "boom");
        Ok(())
    });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["failed", "failed", "succeeded"]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history WHERE error LIKE 'panicked: boom%'").await, 2);
}

/// Broken by hand: with the deadline's branch of `select!` removed, it runs for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_past_its_deadline_is_cancelled_and_has_failed() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| std::future::pending());
    let runner = runner(&db, &world).start().unwrap();
    enqueue(&db, &Brief { n: 1 }).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.dead_jobs WHERE reason = 'ran longer than 0.1 s'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_buried_and_the_others_go_on() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    sql(
        &db,
        r#"SELECT tally.enqueue_job('quick', '{"n": "+4915112345678"}');
           SELECT tally.enqueue_job('quick', '[]');
           SELECT tally.enqueue_job('nobody knows this kind', '{}');"#,
    )
    .await;
    let runner = runner(&db, &world).start().unwrap();
    for n in 0..10 {
        enqueue(&db, &Quick { n }).await;
    }
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(world.runs(), 10);
    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM tally.dead_jobs ORDER BY dead_id").fetch_all(&db.admin).await.unwrap();
    assert_eq!(reasons.len(), 3);
    assert!(reasons.iter().all(|reason| !reason.contains("4915112345678")), "{reasons:?}");
    assert_eq!(reasons.iter().filter(|reason| reason.contains("cannot be decoded")).count(), 2);
    assert_eq!(reasons.iter().filter(|reason| reason.contains("not registered")).count(), 1);
}

/// Broken by hand: with an interruption reported as a failure.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_has_not_failed() {
    let db = TestDb::new().await;
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(move |_, _| {
        let gate = inner.clone();
        async move {
            gate.pass().await;
            Ok(())
        }
    });
    let first = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    gate.arrival().await;
    assert!(!first.shutdown(Duration::ZERO).await, "the handler had to be cut off");

    let (attempt, error, due): (i32, Option<String>, DateTime<Utc>) =
        sqlx::query_as("SELECT attempt, last_error, run_at FROM tally.jobs WHERE state = 'ready'")
            .fetch_one(&db.admin)
            .await
            .unwrap();
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&db.admin).await.unwrap();
    assert_eq!((attempt, error), (0, None));
    assert!(due <= now, "ready at once");

    gate.open(1);
    let second = runner(&db, &world).start().unwrap();
    until_empty(&db).await;
    stop(second).await;
    assert_eq!(outcomes(&db, job).await, ["interrupted", "succeeded"]);
    let attempts = "SELECT count(*) FROM tally.job_history WHERE attempt = 1";
    assert_eq!(count(&db, attempts).await, 2, "both were the first attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_runner_waits_for_its_handlers() {
    let db = TestDb::new().await;
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(move |_, _| {
        let gate = inner.clone();
        async move {
            gate.pass().await;
            Ok(())
        }
    });
    let runner = runner(&db, &world).concurrency(1).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    gate.arrival().await;
    let mut stopping = Box::pin(runner.shutdown(LONG));
    assert!(futures::poll!(&mut stopping).is_pending(), "it waits for the handler");
    // Comes too late for this process.
    let late = enqueue(&db, &Quick { n: 2 }).await;
    gate.open(2);
    assert!(tokio::time::timeout(LONG, stopping).await.unwrap());
    assert_eq!(outcomes(&db, job).await, ["succeeded"]);
    assert_eq!(outcomes(&db, late).await, [""; 0]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE state = 'ready' AND attempt = 0").await, 1);
    assert_eq!(world.runs(), 1);
}
