//! The worker process: a runner with two kinds of jobs, told over stdin when to
//! hold them at a gate, to go on, and to stop. It ends when stdin does, so it does
//! not outlive the test that started it.

use std::{
    io::BufRead,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tallyline_queue::{Backoff, Job, JobContext, JobError, LeaseTiming, NewJob, QueueError, Registry, Runner, Timing};
use tokio::sync::{Semaphore, mpsc, watch};

/// Variable that carries the [`Orders`] of a worker.
pub const ORDERS: &str = "TALLYLINE_QUEUE_TEST_WORKER";

/// Far more than anything takes.
const LONG: Duration = Duration::from_secs(180);

/// What a worker is told at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    pub url: String,
    pub label: String,
    pub concurrency: usize,
    /// Connections for the handlers; the runner has six of its own.
    pub connections: u32,
    pub lease_ms: u64,
}

/// Tables for what the handlers do.
pub const TABLES: &str = "CREATE TABLE public.effects (n bigint NOT NULL, job_id bigint, claim bigint, kind text);
    CREATE SEQUENCE public.progress;
    CREATE TABLE public.waiting (label text, round bigint, job_id bigint, claim bigint, kind text, stage int);
    CREATE TABLE public.refused (job_id bigint, claim bigint);
    CREATE TABLE public.tallies (label text, stale bigint, rescued bigint, leases_lost bigint)";

/// What handlers share.
pub struct World {
    pool: PgPool,
    label: String,
    /// The round in which they are held at the gate.
    hold: watch::Receiver<Option<i64>>,
    /// One at a time waits with its completion written: nobody can take that job back.
    completed: Semaphore,
}

/// Its effect and its completion are one transaction.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exact {
    pub n: i64,
}

/// Its effect is committed before it is acknowledged, and may happen again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plain {
    pub n: i64,
}

/// Where in its work a handler comes to the gate.
const BEFORE: i32 = 0;
const AFTER_EFFECT: i32 = 1;
const AFTER_COMPLETION: i32 = 2;

/// Both are lost and tried again as often as it takes.
const ATTEMPTS: i32 = 100_000;

impl Job for Exact {
    type State = World;
    const KIND: &'static str = "exact";
    const MAX_ATTEMPTS: i32 = ATTEMPTS;
    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_millis(500) };

    async fn run(self, ctx: JobContext<World>) -> Result<(), JobError> {
        // A task that no cancellation reaches: it does go on where it was.
        tokio::spawn(async move { work_exactly(self.n, &ctx).await }).await?
    }
}

impl Job for Plain {
    type State = World;
    const KIND: &'static str = "plain";
    const MAX_ATTEMPTS: i32 = ATTEMPTS;
    const BACKOFF: Backoff = Exact::BACKOFF;

    async fn run(self, ctx: JobContext<World>) -> Result<(), JobError> {
        let effect = "INSERT INTO public.effects VALUES ($1, $2, $3, 'plain')";
        sqlx::query(effect).bind(self.n).bind(ctx.job.id).bind(ctx.job.claim).execute(&ctx.state.pool).await?;
        ctx.state.gate(&ctx, BEFORE).await?;
        Ok(())
    }
}

/// A job of either kind.
pub fn job(n: i64, exact: bool) -> NewJob {
    match exact {
        true => NewJob::of(&Exact { n }),
        false => NewJob::of(&Plain { n }),
    }
    .unwrap()
}

async fn work_exactly(n: i64, ctx: &JobContext<World>) -> Result<(), JobError> {
    let (world, job) = (&ctx.state, &ctx.job);
    let stage = (n % 3) as i32;
    if stage == BEFORE {
        world.gate(ctx, stage).await?;
    }
    let mut tx = world.pool.begin().await?;
    let effect = "INSERT INTO public.effects SELECT $1, $2, $3, 'exact' FROM nextval('public.progress')";
    sqlx::query(effect).bind(n).bind(job.id).bind(job.claim).execute(&mut *tx).await?;
    if stage == AFTER_EFFECT {
        world.gate(ctx, stage).await?;
    }
    if let Err(error) = ctx.complete_in(&mut tx).await {
        tx.rollback().await?;
        if let QueueError::Fenced { job_id } = error {
            let refused = "INSERT INTO public.refused VALUES ($1, $2)";
            sqlx::query(refused).bind(job_id).bind(job.claim).execute(&world.pool).await?;
        }
        return Err(error.into());
    }
    if stage == AFTER_COMPLETION
        && let Ok(_alone) = world.completed.try_acquire()
    {
        world.gate(ctx, stage).await?;
    }
    Ok(tx.commit().await?)
}

impl World {
    /// Says that a handler waits here, and waits as long as it is told to.
    async fn gate(&self, ctx: &JobContext<World>, stage: i32) -> Result<(), sqlx::Error> {
        let mut hold = self.hold.clone();
        let Some(round) = *hold.borrow() else { return Ok(()) };
        let waiting = "INSERT INTO public.waiting VALUES ($1, $2, $3, $4, $5, $6)";
        let (job, label) = (&ctx.job, &self.label);
        sqlx::query(waiting)
            .bind(label)
            .bind(round)
            .bind(job.id)
            .bind(job.claim)
            .bind(&job.kind)
            .bind(stage)
            .execute(&self.pool)
            .await?;
        // Until its own round is over: the next may have begun before it looks. Over
        // when the process ends, too.
        let _ = hold.wait_for(|held| *held != Some(round)).await;
        Ok(())
    }
}

enum Told {
    Hold(i64),
    Go,
    Stop,
}

/// Reads what it is told; the channel ends with stdin.
fn listen() -> mpsc::UnboundedReceiver<Told> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let told = match line.split_once(' ') {
                Some(("hold", round)) => Told::Hold(round.parse().unwrap()),
                _ if line == "go" => Told::Go,
                _ => Told::Stop,
            };
            if sender.send(told).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The whole of a worker's life.
async fn work(orders: Orders) {
    let options = PgPoolOptions::new().max_connections(orders.connections).acquire_timeout(LONG);
    let pool = options.connect(&orders.url).await.unwrap();
    let (gate, hold) = watch::channel(None);
    let world = Arc::new(World { pool: pool.clone(), label: orders.label.clone(), hold, completed: Semaphore::new(1) });
    let registry = Registry::new().register::<Exact>().and_then(Registry::register::<Plain>).unwrap();
    let ttl = Duration::from_millis(orders.lease_ms);
    let timing = Timing {
        lease: LeaseTiming { ttl, beat: ttl / 5, margin: ttl / 4 },
        rescue_every: Duration::from_millis(200),
        max_lost: ATTEMPTS,
        ..Timing::default()
    };
    let runner = Runner::builder(pool.clone(), registry, world)
        .label(orders.label.clone())
        .concurrency(orders.concurrency)
        .poll_only()
        .timing(timing)
        .start()
        .unwrap();
    let mut told = listen();
    loop {
        match told.recv().await {
            Some(Told::Hold(round)) => drop(gate.send_replace(Some(round))),
            Some(Told::Go) => drop(gate.send_replace(None)),
            // Whoever started it is gone.
            None => return,
            Some(Told::Stop) => break,
        }
    }
    gate.send_replace(None);
    let counters = runner.counters();
    runner.shutdown(LONG).await;
    let counts = [counters.stale_completions(), counters.rescued(), counters.leases_lost()].map(|count| count as i64);
    let tally = "INSERT INTO public.tallies VALUES ($1, $2, $3, $4)";
    sqlx::query(tally).bind(orders.label).bind(counts[0]).bind(counts[1]).bind(counts[2]).execute(&pool).await.unwrap();
}

/// Not a test: what the processes of the other tests run.
#[test]
#[ignore = "the main function of the processes that the other tests start"]
fn worker_process() {
    let Some(orders) = orders() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work(orders));
    // Tasks that wait for good are left behind.
    runtime.shutdown_background();
}

#[expect(clippy::disallowed_methods, reason = "how a test tells its processes what to do")]
fn orders() -> Option<Orders> {
    serde_json::from_str(&std::env::var(ORDERS).ok()?).ok()
}

/// A number that processes count up together as they work.
pub async fn progress(db: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.progress")
        .fetch_one(db)
        .await
        .unwrap()
}

/// Numbers jobs through, whoever enqueues.
#[derive(Debug, Default)]
pub struct Numbers(AtomicI64);

impl Numbers {
    pub fn take(&self, count: i64) -> std::ops::Range<i64> {
        let first = self.0.fetch_add(count, Ordering::SeqCst);
        first..first + count
    }

    pub fn taken(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}
