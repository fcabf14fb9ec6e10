//! A runner of Tallyline whose handler each scene writes itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_queue::{Job, JobContext, JobError, LeaseTiming, NewJob, Queue, Registry, Runner, RunnerBuilder, Timing};

type Handler = Box<dyn Fn(u32) -> BoxFuture<'static, Result<(), JobError>> + Send + Sync>;

/// What a handler does, and how often it was begun.
pub struct Scene {
    handler: Handler,
    begun: AtomicU32,
}

impl Scene {
    pub fn new<F, Fut>(handler: F) -> Arc<Self>
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        Arc::new(Self { handler: Box::new(move |n| handler(n).boxed()), begun: AtomicU32::new(0) })
    }

    pub fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }
}

#[derive(Serialize, Deserialize)]
pub struct Numbered {
    pub n: u32,
}

impl Job for Numbered {
    type State = Scene;
    const KIND: &'static str = "numbered";
    const QUEUE: &'static str = "scene";

    async fn run(self, ctx: JobContext<Scene>) -> Result<(), JobError> {
        ctx.state.begun.fetch_add(1, Ordering::SeqCst);
        (ctx.state.handler)(self.n).await
    }
}

/// A runner with a lease of two seconds.
pub fn runner(pool: &PgPool, scene: &Arc<Scene>, concurrency: usize) -> anyhow::Result<RunnerBuilder<Scene>> {
    let lease = LeaseTiming {
        ttl: Duration::from_secs(2),
        beat: Duration::from_millis(500),
        margin: Duration::from_millis(500),
    };
    let timing = Timing { lease, rescue_every: Duration::from_millis(500), ..Timing::default() };
    let registry = Registry::new().register::<Numbered>()?;
    Ok(Runner::builder(pool.clone(), registry, Arc::clone(scene)).queue(Numbered::QUEUE, concurrency).timing(timing))
}

pub async fn enqueue(pool: &PgPool, queue: &Queue, jobs: &[NewJob]) -> anyhow::Result<()> {
    queue.enqueue_bulk(&mut *pool.acquire().await?, jobs).await?;
    queue.hint();
    Ok(())
}

pub async fn count(pool: &PgPool, sql: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Whether no live job is left.
pub async fn is_empty(pool: &PgPool) -> anyhow::Result<bool> {
    Ok(count(pool, "SELECT count(*) FROM tally.jobs").await? == 0)
}

pub async fn stop(runner: Runner) {
    runner.shutdown(Duration::from_secs(5)).await;
}
