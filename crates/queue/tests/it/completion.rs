//! Completion inside the handler's own transaction.

use std::time::Duration;

use tallyline_queue::{JobError, LeaseTiming, QueueError, Timing};
use tallyline_testkit::TestDb;
use tokio::sync::mpsc;

use crate::scripted::{
    Gate, LONG, Quick, World, count, end_leases, enqueue, outcomes, runner, sql, stop, until_count, until_empty,
};

/// Looks for lost jobs, but does not notice that its own lease has ended.
fn unaware() -> Timing {
    let lease = LeaseTiming { ttl: LONG * 3, beat: LONG * 2, margin: Duration::ZERO };
    Timing { lease, rescue_every: Duration::from_millis(50), ..Timing::default() }
}

const EFFECTS: &str = "SELECT count(*) FROM public.effects";

async fn with_effects() -> TestDb {
    let db = TestDb::new().await;
    sql(&db, "CREATE TABLE public.effects (n bigint NOT NULL); GRANT ALL ON public.effects TO tallyline_worker").await;
    db
}

/// Broken by hand: with `Ok` always reported as success, the job is gone after
/// the first run and its effect with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_is_rolled_back_did_not_happen() {
    let db = with_effects().await;
    let pool = db.pool.clone();
    let world = World::new(move |n, ctx| {
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await?;
            sqlx::query("INSERT INTO public.effects VALUES ($1)").bind(n as i64).execute(&mut *tx).await?;
            ctx.complete_in(&mut tx).await?;
            if ctx.job.attempt < 3 {
                tx.rollback().await?;
            } else {
                tx.commit().await?;
            }
            Ok(())
        }
    });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 7 }).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["failed", "failed", "succeeded"]);
    assert_eq!(count(&db, EFFECTS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_the_commit_does_not_undo_or_repeat_the_job() {
    let db = with_effects().await;
    let pool = db.pool.clone();
    let world = World::new(move |n, ctx| {
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await?;
            sqlx::query("INSERT INTO public.effects VALUES ($1)").bind(n as i64).execute(&mut *tx).await?;
            ctx.complete_in(&mut tx).await?;
            tx.commit().await?;
            Err(JobError::retry("the answer to the commit got lost"))
        }
    });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 7 }).await;
    until_empty(&db).await;
    let counters = runner.counters();
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["succeeded"]);
    assert_eq!(count(&db, EFFECTS).await, 1);
    assert_eq!(counters.stale_completions(), 0, "a void report is not a stale one");
}

/// A process goes silent in the midst of a run, another one does the job, the
/// first one wakes up. Broken by hand: with every verdict taken for "accepted" in
/// `complete_in` the effect is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_wakes_up_after_its_job_was_taken_back_changes_nothing() {
    let db = with_effects().await;
    let frozen = Gate::new();
    let (answers, mut answer) = mpsc::unbounded_channel();
    let (gate, pool) = (frozen.clone(), db.pool.clone());
    let sleeper = World::new(move |n, ctx| {
        let (gate, pool, answers) = (gate.clone(), pool.clone(), answers.clone());
        // A task of its own, which no cancellation reaches: like a thread that
        // is stopped by the system and goes on where it was.
        let work = tokio::spawn(async move {
            gate.pass().await;
            let mut tx = pool.begin().await.unwrap();
            sqlx::query("INSERT INTO public.effects VALUES ($1)").bind(n as i64).execute(&mut *tx).await.unwrap();
            let completed = ctx.complete_in(&mut tx).await;
            if completed.is_ok() {
                tx.commit().await.unwrap();
            }
            answers.send(completed).unwrap();
        });
        async move { Ok(work.await?) }
    });
    let first = runner(&db, &sleeper).timing(unaware()).start().unwrap();
    let job = enqueue(&db, &Quick { n: 7 }).await;
    frozen.arrival().await;

    let pool = db.pool.clone();
    let helper = World::new(move |n, ctx| {
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await?;
            sqlx::query("INSERT INTO public.effects VALUES ($1)").bind(n as i64).execute(&mut *tx).await?;
            ctx.complete_in(&mut tx).await?;
            Ok(tx.commit().await?)
        }
    });
    sql(&db, "INSERT INTO tally.paused_queues VALUES ('default', now(), 'only the second process is to go on')").await;
    end_leases(&db).await;
    until_count(&db, "the job was taken back", "SELECT count(*) FROM tally.jobs WHERE state = 'ready'", 1).await;
    let counters = first.counters();
    assert!(!first.shutdown(Duration::ZERO).await, "its handler is still at it");
    let second = runner(&db, &helper).start().unwrap();
    sql(&db, "DELETE FROM tally.paused_queues").await;
    until_empty(&db).await;

    frozen.open(1);
    let late = tokio::time::timeout(LONG, answer.recv()).await.unwrap().unwrap();
    assert!(matches!(late, Err(QueueError::Fenced { job_id }) if job_id == job), "{late:?}");
    stop(second).await;
    assert_eq!(outcomes(&db, job).await, ["lost", "succeeded"]);
    assert_eq!(count(&db, EFFECTS).await, 1);
    assert_eq!(counters.stale_completions(), 1, "the interrupted run of the first process came too late");
}
