//! Processes frozen past their lease, which go on as if nothing had happened.
//!
//! A zombie is one freeze of one process while its jobs are on their way: before
//! their effect, after it, and between completion and commit. The others take its
//! jobs back and do them; then it wakes and writes its completions.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use sqlx::PgPool;
use tallyline_testkit::{TestDb, wait_until};
use tokio::time::Instant;

use crate::{
    process::{LONG, Worker, count, database, enqueue, everything_happened_once},
    worker::{Numbers, Orders},
};

const LEASE_MS: u64 = 1_500;
const CONCURRENCY: usize = 5;
/// Of a zombie's jobs, at least so many wait at the gate when it is frozen.
const HELD: i64 = 4;
const ONE_PLAIN_IN: i64 = 4;

/// Claims that wait at the gate in a round, and could be taken back: what is
/// completed and not committed is locked, and counts when it commits.
const AT_THE_GATE: &str = "SELECT count(*) FROM public.waiting WHERE label = $1 AND round = $2 AND stage < 2";

/// Those of them that are held still and could be taken back. What a process has
/// locked when it is frozen, nobody can take: a task of an earlier claim may have been
/// about to complete the same job.
const NOT_TAKEN_BACK: &str = "SELECT count(*) FROM (
    SELECT FROM public.waiting w
    JOIN tally.jobs j ON j.id = w.job_id AND j.claims = w.claim AND j.state = 'claimed'
    WHERE w.label = $1 AND w.round = $2 AND w.stage < 2
    FOR UPDATE OF j SKIP LOCKED) held";

/// Leases of a worker that are alive.
const LIVE_LEASES: &str = "SELECT count(*) FROM tally.job_leases WHERE label = $1 AND $2 > 0 AND expires_at > now()";

async fn of_round(db: &PgPool, sql: &'static str, label: &str, round: i64) -> i64 {
    sqlx::query_scalar(sql).bind(label).bind(round).fetch_one(db).await.unwrap()
}

/// Freezes a worker so many times; returns it awake.
async fn haunt(db: PgPool, mut worker: Worker, rounds: i64, numbers: Arc<Numbers>, claims: Arc<AtomicI64>) -> Worker {
    let label = worker.label.clone();
    for round in 1..=rounds {
        worker.tell(&format!("hold {round}"));
        wait_until("its jobs wait at the gate", LONG, async || {
            if count(&db, "SELECT count(*) FROM tally.jobs WHERE state = 'ready'").await == 0 {
                enqueue(&db, &numbers, 10, ONE_PLAIN_IN).await;
            }
            of_round(&db, AT_THE_GATE, &label, round).await >= HELD
        })
        .await;
        worker.freeze().await;
        wait_until("its lease has ended", LONG, async || of_round(&db, LIVE_LEASES, &label, round).await == 0).await;
        wait_until("its jobs were taken back", LONG, async || of_round(&db, NOT_TAKEN_BACK, &label, round).await == 0)
            .await;
        claims.fetch_add(of_round(&db, AT_THE_GATE, &label, round).await, Ordering::SeqCst);
        worker.tell("go");
        worker.wake();
        // Some of its handlers try to complete and are refused, the others are
        // dropped first, since it has noticed that its lease was lost.
        wait_until("it goes on under a new lease", LONG, async || of_round(&db, LIVE_LEASES, &label, round).await > 0)
            .await;
    }
    worker
}

/// So many processes are frozen so many times each; others do their work.
async fn zombies(processes: usize, rounds: i64, others: usize) {
    let (began, db) = (Instant::now(), database().await);
    let (numbers, claims) = (Arc::new(Numbers::default()), Arc::new(AtomicI64::new(0)));
    let start = |label: String| {
        // One for each handler at the gate, and some to tell of it.
        let (url, connections) = (db.admin_url.clone(), CONCURRENCY as u32 + 2);
        Worker::start(&Orders { url, label, concurrency: CONCURRENCY, connections, lease_ms: LEASE_MS })
    };
    let living: Vec<Worker> = (0..others).map(|n| start(format!("living {n}"))).collect();
    let haunted: Vec<_> = (0..processes)
        .map(|n| {
            let worker = start(format!("zombie {n}"));
            tokio::spawn(haunt(db.admin.clone(), worker, rounds, Arc::clone(&numbers), Arc::clone(&claims)))
        })
        .collect();
    let mut workers = living;
    for worker in haunted {
        workers.push(worker.await.unwrap());
    }
    wait_until("all jobs have ended", LONG, async || count(&db.admin, "SELECT count(*) FROM tally.jobs").await == 0)
        .await;
    for worker in workers {
        worker.stop().await;
    }
    report(&db, processes as i64 * rounds, &numbers, &claims, began).await;
    everything_happened_once(&db.admin, numbers.taken()).await;
    let refused = count(&db.admin, "SELECT count(*) FROM public.refused").await;
    assert!(refused > 0, "the zombies did not try");
}

async fn report(db: &TestDb, zombies: i64, numbers: &Numbers, claims: &AtomicI64, began: Instant) {
    println!(
        "{zombies} zombies with {} claims that were taken back, {} jobs in {:.0} s: {} completions in transactions and {} reports refused, {} rescues, {} leases lost",
        claims.load(Ordering::SeqCst),
        numbers.taken(),
        began.elapsed().as_secs_f64(),
        count(&db.admin, "SELECT count(*) FROM public.refused").await,
        count(&db.admin, "SELECT coalesce(sum(stale), 0)::bigint FROM public.tallies").await,
        count(&db.admin, "SELECT coalesce(sum(rescued), 0)::bigint FROM public.tallies").await,
        count(&db.admin, "SELECT coalesce(sum(leases_lost), 0)::bigint FROM public.tallies").await,
    );
}

/// Twenty-five of them. Broken by hand: without the lease in the conditions of
/// complete.sql their completions are accepted. Without `claims` nothing fails here,
/// since nobody claims twice under one lease; the model's histories do.
#[tokio::test(flavor = "multi_thread")]
async fn what_zombies_write_is_refused() {
    zombies(5, 5, 1).await;
}

/// `cargo test -p tallyline-queue --test processes -- --ignored --nocapture five_hundred_zombies`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn five_hundred_zombies() {
    zombies(10, 50, 2).await;
}
