//! An apalis-postgres worker whose handler each scene writes itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use apalis::prelude::{BoxDynError, Data, TaskBuilder, WorkerBuilder, WorkerBuilderExt, WorkerContext};
use apalis_postgres::{Config, PgTask, PostgresStorage, queries::push_tasks};
use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinHandle;

pub const QUEUE: &str = "scene";

type Handler = Arc<dyn Fn(u32) -> BoxFuture<'static, Result<(), BoxDynError>> + Send + Sync>;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Numbered {
    pub n: u32,
}

/// What a handler does, and how often it was begun.
#[derive(Clone)]
pub struct Scene {
    handler: Handler,
    begun: Arc<AtomicU32>,
}

impl Scene {
    pub fn new<F, Fut>(handler: F) -> Self
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxDynError>> + Send + 'static,
    {
        Self { handler: Arc::new(move |n| handler(n).boxed()), begun: Arc::default() }
    }

    pub fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Starts a worker; `concurrency` of none is apalis' own: as many as there are.
    pub fn start(
        &self,
        pool: &PgPool,
        name: &str,
        config: Config,
        concurrency: Option<usize>,
    ) -> JoinHandle<anyhow::Result<()>> {
        let backend = PostgresStorage::<Numbered>::new(pool).with_config(config.queue(QUEUE)).with_pubsub();
        let builder = WorkerBuilder::new(WorkerContext::new(name)).backend(backend).data(self.clone());
        let running = match concurrency {
            Some(jobs) => {
                let worker = builder.concurrency(jobs).build(run);
                async move { Ok(worker.run().await?) }.boxed()
            }
            None => {
                let worker = builder.build(run);
                async move { Ok(worker.run().await?) }.boxed()
            }
        };
        tokio::spawn(running)
    }
}

async fn run(job: Numbered, scene: Data<Scene>) -> Result<(), BoxDynError> {
    scene.begun.fetch_add(1, Ordering::SeqCst);
    (scene.handler)(job.n).await
}

/// A pool on a database with the tables of apalis.
pub async fn set_up(url: &str) -> anyhow::Result<PgPool> {
    let pool = PgPoolOptions::new().max_connections(10).connect(url).await?;
    PostgresStorage::setup(&pool).await?;
    Ok(pool)
}

/// A heartbeat a second, dead after `lease_seconds` without.
pub fn config(lease_seconds: usize) -> Config {
    Config::default().heartbeat_interval(Duration::from_secs(1)).missed_heartbeats(lease_seconds)
}

pub fn job(n: u32) -> PgTask {
    raw_job(&json!({ "n": n }))
}

pub fn raw_job(payload: &Value) -> PgTask {
    TaskBuilder::new(payload.to_string().into_bytes()).build()
}

pub async fn push(pool: &PgPool, tasks: Vec<PgTask>) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    push_tasks(&mut *connection, QUEUE, tasks).await?;
    Ok(())
}

pub async fn count(pool: &PgPool, sql: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}
