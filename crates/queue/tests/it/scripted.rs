//! Jobs whose handler each test writes itself, and looks into the tables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use tallyline_queue::{
    Backoff, Job, JobContext, JobError, LeaseTiming, NewJob, Queue, Registry, Runner, RunnerBuilder, Timing,
};
use tallyline_testkit::{TestDb, wait_until};
use tokio::sync::Semaphore;

/// Far more than anything here takes; a test that needs it has failed.
pub const LONG: Duration = Duration::from_secs(60);

type Handler = Box<dyn Fn(u64, JobContext<World>) -> BoxFuture<'static, Result<(), JobError>> + Send + Sync>;

/// What the handlers of a test share.
pub struct World {
    handler: Handler,
    runs: AtomicUsize,
}

impl World {
    pub fn new<F, Fut>(handler: F) -> Arc<Self>
    where
        F: Fn(u64, JobContext<World>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        Arc::new(Self { handler: Box::new(move |n, ctx| handler(n, ctx).boxed()), runs: AtomicUsize::new(0) })
    }

    /// Runs that were begun.
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    fn begin(&self, n: u64, ctx: JobContext<World>) -> BoxFuture<'static, Result<(), JobError>> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        (self.handler)(n, ctx)
    }
}

/// Tried again soon.
#[derive(Debug, Serialize, Deserialize)]
pub struct Quick {
    pub n: u64,
}

impl Job for Quick {
    type State = World;
    const KIND: &'static str = "quick";
    const MAX_ATTEMPTS: i32 = 20;
    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(5), cap: Duration::from_millis(20) };

    async fn run(self, ctx: JobContext<World>) -> Result<(), JobError> {
        ctx.state.begin(self.n, ctx.clone()).await
    }
}

/// Tried again hours later, three attempts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Slow {
    pub n: u64,
}

impl Job for Slow {
    type State = World;
    const KIND: &'static str = "slow";
    const MAX_ATTEMPTS: i32 = 3;
    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(3_600), cap: Duration::from_secs(5_400) };

    async fn run(self, ctx: JobContext<World>) -> Result<(), JobError> {
        ctx.state.begin(self.n, ctx.clone()).await
    }
}

/// May not run longer than a moment, one attempt.
#[derive(Debug, Serialize, Deserialize)]
pub struct Brief {
    pub n: u64,
}

impl Job for Brief {
    type State = World;
    const KIND: &'static str = "brief";
    const MAX_ATTEMPTS: i32 = 1;
    const DEADLINE: Duration = Duration::from_millis(100);

    async fn run(self, ctx: JobContext<World>) -> Result<(), JobError> {
        ctx.state.begin(self.n, ctx.clone()).await
    }
}

/// A coalesced kind.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refresh {}

impl Job for Refresh {
    type State = World;
    const KIND: &'static str = "refresh";
    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(3_600), cap: Duration::from_secs(5_400) };

    async fn run(self, ctx: JobContext<World>) -> Result<(), JobError> {
        ctx.state.begin(0, ctx.clone()).await
    }
}

pub fn registry() -> Registry<World> {
    Registry::new()
        .register::<Quick>()
        .and_then(Registry::register::<Slow>)
        .and_then(Registry::register::<Brief>)
        .and_then(Registry::register::<Refresh>)
        .unwrap()
}

/// A runner in a hurry.
pub fn runner(db: &TestDb, world: &Arc<World>) -> RunnerBuilder<World> {
    let lease =
        LeaseTiming { ttl: Duration::from_secs(5), beat: Duration::from_millis(100), margin: Duration::from_secs(1) };
    Runner::builder(db.pool.clone(), registry(), Arc::clone(world)).timing(Timing {
        lease,
        rescue_every: Duration::from_millis(50),
        deadline_margin: Duration::from_secs(30),
        max_lost: 3,
    })
}

pub async fn stop(runner: Runner) {
    assert!(runner.shutdown(LONG).await, "the runner did not stop in time");
}

pub async fn enqueue<J: Job>(db: &TestDb, job: &J) -> i64 {
    let mut connection = db.pool.acquire().await.unwrap();
    Queue::new().enqueue(&mut connection, NewJob::of(job).unwrap()).await.unwrap().job_id()
}

pub async fn request(db: &TestDb, key: &str) -> i64 {
    let mut connection = db.pool.acquire().await.unwrap();
    Queue::new().request::<Refresh>(&mut connection, key, None, Duration::ZERO).await.unwrap()
}

pub async fn count(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

/// The database's clock.
pub async fn now(db: &TestDb) -> chrono::DateTime<chrono::Utc> {
    sqlx::query_scalar("SELECT now()").fetch_one(&db.admin).await.unwrap()
}

pub async fn until_count(db: &TestDb, what: &str, sql: &'static str, wanted: i64) {
    wait_until(what, LONG, async || count(db, sql).await == wanted).await;
}

/// No live job is left.
pub async fn until_empty(db: &TestDb) {
    until_count(db, "all jobs have ended", "SELECT count(*) FROM tally.jobs", 0).await;
}

/// Outcomes of a job's attempts, in order.
pub async fn outcomes(db: &TestDb, job_id: i64) -> Vec<String> {
    sqlx::query_scalar("SELECT outcome FROM tally.job_history WHERE job_id = $1 ORDER BY finished_at, claim")
        .bind(job_id)
        .fetch_all(&db.admin)
        .await
        .unwrap()
}

pub async fn sql(db: &TestDb, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&db.admin).await.unwrap();
}

/// Ends every lease, as if their processes had been silent for long.
pub async fn end_leases(db: &TestDb) {
    sql(db, "UPDATE tally.job_leases SET expires_at = now() - interval '1 second'").await;
}

/// A gate that tests open for one passer at a time, and that counts arrivals.
#[derive(Clone)]
pub struct Gate {
    passes: Arc<Semaphore>,
    arrived: Arc<Semaphore>,
}

impl Gate {
    pub fn new() -> Self {
        Self { passes: Arc::new(Semaphore::new(0)), arrived: Arc::new(Semaphore::new(0)) }
    }

    /// Says "I am here" and waits to be let through.
    pub async fn pass(&self) {
        self.arrived.add_permits(1);
        self.passes.acquire().await.unwrap().forget();
    }

    /// Waits until one more has arrived.
    pub async fn arrival(&self) {
        tokio::time::timeout(LONG, self.arrived.acquire()).await.expect("nobody came to the gate").unwrap().forget();
    }

    pub fn open(&self, passers: usize) {
        self.passes.add_permits(passers);
    }
}
