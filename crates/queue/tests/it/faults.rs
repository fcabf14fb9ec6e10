//! What is survived: lost processes, lost connections, a silent database.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::PgPool;
use tallyline_queue::{
    JobError, LeaseTiming, NewJob, Timing,
    store::{self, ClaimTerms},
};
use tallyline_testkit::{TestDb, wait_until};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::scripted::{
    Gate, LONG, Quick, World, count, end_leases, enqueue, outcomes, runner, sql, stop, until_count, until_empty,
};

/// Claims everything for a process that disappears: its lease has ended, nobody reports.
async fn claim_and_disappear(db: &TestDb) {
    let lease_id = Uuid::new_v4();
    store::register_lease(&db.pool, lease_id, "lost", LONG).await.unwrap();
    let terms = ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG };
    assert_eq!(store::claim(&db.pool, &terms, lease_id, 10).await.unwrap().len(), 1);
    end_leases(db).await;
}

/// Broken by hand: without the rescuer.
#[tokio::test(flavor = "multi_thread")]
async fn defect_46_the_job_of_a_lost_process_is_finished_once_by_another() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    let job = enqueue(&db, &Quick { n: 1 }).await;
    claim_and_disappear(&db).await;
    let runner = runner(&db, &world).start().unwrap();
    until_empty(&db).await;
    let counters = runner.counters();
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["lost", "succeeded"]);
    assert_eq!((world.runs(), counters.rescued()), (1, 1));
}

/// Broken by hand: without `hopeless` in rescue.sql it goes on for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_lost_every_time_is_buried() {
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
    let job = enqueue(&db, &Quick { n: 1 }).await;
    let runner = runner(&db, &world).start().unwrap();
    for _ in 0..3 {
        gate.arrival().await;
        sql(&db, "UPDATE tally.jobs SET deadline_at = now() - interval '1 hour'").await;
    }
    until_empty(&db).await;
    gate.open(3);
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["lost", "lost", "lost"]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.dead_jobs WHERE reason = 'lost 3 times'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_far_past_its_deadline_is_taken_back_from_a_living_process() {
    let db = TestDb::new().await;
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(move |_, ctx| {
        let gate = inner.clone();
        async move {
            if ctx.job.attempt == 1 {
                gate.pass().await;
            }
            Ok(())
        }
    });
    let job = enqueue(&db, &Quick { n: 1 }).await;
    let runner = runner(&db, &world).start().unwrap();
    gate.arrival().await;
    sql(&db, "UPDATE tally.jobs SET deadline_at = now() - interval '1 hour'").await;
    until_empty(&db).await;
    gate.open(1);
    let counters = runner.counters();
    wait_until("the late report was refused", LONG, async || counters.stale_completions() == 1).await;
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["lost", "succeeded"]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history WHERE error = 'lost: deadline'").await, 1);
}

/// Signals when a handler is dropped before its end.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Broken by hand: with the keeper waiting for the answer without limit, the
/// handler goes on although its lease has run out.
#[tokio::test(flavor = "multi_thread")]
async fn handlers_are_cancelled_before_a_lease_that_cannot_be_confirmed_runs_out() {
    let db = TestDb::new().await;
    let (begun, dropped) = (Gate::new(), Arc::new(Notify::new()));
    let (gate, signal) = (begun.clone(), Arc::clone(&dropped));
    let world = World::new(move |_, ctx| {
        let (gate, dropped) = (gate.clone(), Dropped(Arc::clone(&signal)));
        async move {
            if ctx.state.runs() > 1 {
                return Ok(());
            }
            let _dropped = dropped;
            gate.pass().await;
            Err(JobError::fatal("nobody opens the gate"))
        }
    });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    begun.arrival().await;
    // Heartbeats hang from here on.
    let mut tx = db.admin.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tally.job_leases IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    tokio::time::timeout(LONG, dropped.notified()).await.expect("the handler was not cancelled");
    let left: bool = sqlx::query_scalar("SELECT bool_and(expires_at > clock_timestamp()) FROM tally.job_leases")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert!(left, "cancelled only after the lease had run out");
    tx.rollback().await.unwrap();
    until_empty(&db).await;
    let counters = runner.counters();
    stop(runner).await;
    assert_eq!(counters.leases_lost(), 1);
    assert_eq!(outcomes(&db, job).await.last().map(String::as_str), Some("succeeded"));
}

/// A claim is committed, but its answer never arrives. Broken by hand: without
/// `release_unknown` the job waits for its deadline, here an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_got_lost_is_given_back_at_once() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    let runner = runner(&db, &world).start().unwrap();
    // A job before, so that the claimer has a connection to be cut.
    enqueue(&db, &Quick { n: 0 }).await;
    until_empty(&db).await;
    sql(
        &db,
        "INSERT INTO tally.jobs (kind, queue, payload, run_at, created_at, state, attempt, claims, claimed_generation,
             lease_id, claimed_at, deadline_at)
         SELECT 'quick', 'default', '{\"n\": 1}', now(), now(), 'claimed', 1, 1, 1, lease_id, now(), now() + '1 h' FROM tally.job_leases",
    )
    .await;
    cut_connections(&db).await;
    until_empty(&db).await;
    let counters = runner.counters();
    stop(runner).await;
    assert_eq!((world.runs(), counters.rescued()), (2, 0));
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history WHERE attempt = 1").await, 2);
}

async fn cut_connections(db: &TestDb) {
    sql(
        db,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
}

/// Broken by hand: with the claimer ending at its first error.
#[tokio::test(flavor = "multi_thread")]
async fn defect_48_cut_connections_lose_no_job_and_stop_no_worker() {
    const JOBS: u64 = 1_500;
    let db = TestDb::new().await;
    let done = Arc::new(Mutex::new(HashSet::new()));
    let inner = Arc::clone(&done);
    let world = World::new(move |n, _| {
        let done = Arc::clone(&inner);
        async move {
            tokio::task::yield_now().await;
            done.lock().unwrap().insert(n);
            Ok(())
        }
    });
    let runners: Vec<_> = (0..2).map(|_| runner(&db, &world).start().unwrap()).collect();
    let jobs: Vec<NewJob> = (0..JOBS).map(|n| NewJob::of(&Quick { n }).unwrap()).collect();
    runners[0].queue().enqueue_bulk(&mut db.pool.acquire().await.unwrap(), &jobs).await.unwrap();
    for quarter in 1..4 {
        wait_until("a part of the jobs has run", LONG, async || {
            done.lock().unwrap().len() as u64 >= quarter * JOBS / 4
        })
        .await;
        cut_connections(&db).await;
    }
    until_empty(&db).await;
    for runner in runners {
        stop(runner).await;
    }
    assert_eq!(done.lock().unwrap().len() as u64, JOBS);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.dead_jobs").await, 0);
    let once = "SELECT count(*) FROM tally.job_history WHERE outcome = 'succeeded'";
    assert_eq!(count(&db, once).await as u64, JOBS);
}

#[tokio::test(flavor = "current_thread")]
async fn a_handler_that_blocks_its_thread_does_not_lose_the_lease() {
    let db = TestDb::new().await;
    let (go_on, blocked) = std::sync::mpsc::channel();
    let blocked = Mutex::new(blocked);
    // Blocks the only thread of the runtime for longer than a lease lives.
    let world = World::new(move |_, _| {
        blocked.lock().unwrap().recv_timeout(LONG).unwrap();
        async { Ok(()) }
    });
    let lease = LeaseTiming {
        ttl: Duration::from_millis(1_500),
        beat: Duration::from_millis(100),
        margin: Duration::from_millis(300),
    };
    let runner = runner(&db, &world).timing(Timing { lease, ..Timing::default() }).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    let url = db.admin_url.clone();
    let watcher = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(until_a_claim_is_older_than_two_leases(&url));
        go_on.send(()).unwrap();
    });
    until_empty(&db).await;
    watcher.join().unwrap();
    let counters = runner.counters();
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["succeeded"]);
    assert_eq!((world.runs(), counters.leases_lost()), (1, 0));
}

async fn until_a_claim_is_older_than_two_leases(url: &str) {
    let pool = PgPool::connect(url).await.unwrap();
    wait_until("the claim is older than two leases", LONG, async || {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tally.jobs WHERE claimed_at < now() - interval '3 seconds')")
            .fetch_one(&pool)
            .await
            .unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_the_database_refuses_for_ever_does_not_block_the_others() {
    let db = TestDb::new().await;
    // Refuses one kind of history row, as a broken constraint would.
    sql(&db, "ALTER TABLE tally.job_history ADD CHECK (error <> 'unwritable')").await;
    let world = World::new(|n, _| async move { if n == 0 { Err(JobError::retry("unwritable")) } else { Ok(()) } });
    let runner = runner(&db, &world).start().unwrap();
    for n in 0..20 {
        enqueue(&db, &Quick { n }).await;
    }
    until_count(&db, "all others have ended", "SELECT count(*) FROM tally.jobs", 1).await;
    runner.shutdown(LONG).await;
}
