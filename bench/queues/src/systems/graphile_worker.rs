//! graphile_worker 0.14.1, the Rust crate.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use anyhow::Context;
use futures::FutureExt;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, Worker, WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tallyline_testkit::TestDb;
use tokio::task::JoinHandle;

use crate::system::{Done, Ledger, Open, Payload, System, sql_is_true};

const SCHEMA: &str = "graphile_worker";
const FINISHED: &str = "SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs)";

#[derive(Clone, Copy)]
struct Graphile {
    concurrency: usize,
    /// Jobs that the local queue fetches at once; none without one.
    local_queue: Option<usize>,
    complete_delay: Option<Duration>,
    poll: Duration,
}

/// Settings to choose from; the second are those of its own benchmark.
pub fn candidates() -> Vec<Box<dyn System>> {
    let with = |concurrency, local_queue, delay| {
        Box::new(Graphile {
            concurrency,
            local_queue: Some(local_queue),
            complete_delay: Some(Duration::from_millis(delay)),
            poll: Duration::from_millis(5),
        }) as Box<dyn System>
    };
    vec![with(500, 1_000, 1), with(500, 5_000, 5), with(50, 500, 1), with(500, 500, 1)]
}

/// Woken by NOTIFY. What is waiting beyond that is fetched at the pace of the
/// poll, so that has to be short, too.
pub fn for_latency() -> Vec<Box<dyn System>> {
    let with = |concurrency, local_queue| {
        let (complete_delay, poll) = (Some(Duration::from_millis(1)), Duration::from_millis(5));
        Box::new(Graphile { concurrency, local_queue, complete_delay, poll }) as Box<dyn System>
    };
    vec![with(4, None), with(16, Some(100))]
}

impl System for Graphile {
    fn name(&self) -> &'static str {
        "graphile_worker"
    }

    fn settings(&self) -> String {
        let local_queue = self.local_queue.map_or_else(|| "none".to_owned(), |size| format!("of {size}"));
        format!(
            "concurrency {}, local queue {local_queue}, complete_job_batch_delay {:?}, poll_interval {} ms, NOTIFY, add_jobs",
            self.concurrency,
            self.complete_delay.unwrap_or_default(),
            self.poll.as_millis()
        )
    }

    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>> {
        async move {
            let pool =
                PgPoolOptions::new().max_connections(30).test_before_acquire(false).connect(&db.admin_url).await?;
            let utils = WorkerUtils::new(pool.clone(), SCHEMA);
            utils.migrate().await?;
            Ok(Box::new(OpenGraphile { pool, utils, settings: *self, running: None }) as Box<dyn Open>)
        }
        .boxed_local()
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct NoOp(Payload);

/// The worker's state; must be printable.
#[derive(Clone)]
struct Shared(Arc<Ledger>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl TaskHandler for NoOp {
    const IDENTIFIER: &'static str = "no_op";

    async fn run(self, ctx: WorkerContext) -> impl IntoTaskHandlerResult {
        let Some(Shared(ledger)) = ctx.get_ext::<Shared>() else { return Err("no ledger".to_owned()) };
        ledger.run(self.0.n);
        Ok(())
    }
}

struct OpenGraphile {
    pool: PgPool,
    utils: WorkerUtils,
    settings: Graphile,
    running: Option<(Arc<Worker>, JoinHandle<anyhow::Result<()>>)>,
}

impl Open for OpenGraphile {
    fn enqueue(&self, numbers: Range<u32>) -> Done<'_> {
        async move {
            let spec = JobSpec::default();
            let jobs: Vec<(NoOp, &JobSpec)> = numbers.map(|n| (NoOp(Payload::new(n)), &spec)).collect();
            self.utils.add_jobs::<NoOp>(&jobs).await?;
            Ok(())
        }
        .boxed_local()
    }

    fn enqueue_one(&self, number: u32) -> Done<'_> {
        async move {
            self.utils.add_job(NoOp(Payload::new(number)), JobSpec::default()).await?;
            Ok(())
        }
        .boxed_local()
    }

    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_> {
        async move {
            let mut options = WorkerOptions::default()
                .pg_pool(self.pool.clone())
                .schema(SCHEMA)
                .concurrency(self.settings.concurrency)
                .poll_interval(self.settings.poll)
                .listen_os_shutdown_signals(false)
                .add_extension(Shared(ledger))
                .define_job::<NoOp>();
            if let Some(size) = self.settings.local_queue {
                options = options.local_queue(LocalQueueConfig::default().with_size(size));
            }
            if let Some(delay) = self.settings.complete_delay {
                options = options.complete_job_batch_delay(delay);
            }
            let worker = Arc::new(options.init().await?);
            let run = Arc::clone(&worker);
            let running = tokio::spawn(async move { run.run().await.map_err(anyhow::Error::from) });
            self.running = Some((worker, running));
            Ok(())
        }
        .boxed_local()
    }

    fn stop(&mut self) -> Done<'_> {
        async move {
            let (worker, running) = self.running.take().context("not started")?;
            worker.request_shutdown();
            running.await?
        }
        .boxed_local()
    }

    fn is_finished(&self) -> Done<'_, bool> {
        sql_is_true(&self.pool, FINISHED)
    }
}
