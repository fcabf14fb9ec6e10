//! apalis-postgres 1.0.0.

use std::{ops::Range, sync::Arc, time::Duration};

use apalis::prelude::{BackendExt, BoxDynError, Data, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_postgres::{Config, PostgresStorage, queries::push_tasks};
use futures::{FutureExt, future::BoxFuture};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tallyline_testkit::TestDb;
use tokio::task::JoinHandle;

use crate::system::{Done, Ledger, Open, Payload, System, sql_is_true};

const QUEUE: &str = "bench";

#[derive(Clone, Copy)]
struct Apalis {
    workers: usize,
    batch: usize,
    wake: Wake,
    /// Between heartbeats; each is followed by a fetch.
    heartbeat: Duration,
}

/// What makes an idle worker fetch, besides its heartbeat.
#[derive(Clone, Copy)]
enum Wake {
    Interval(Duration),
    Pubsub,
}

/// Settings to choose from.
pub fn candidates() -> Vec<Box<dyn System>> {
    let (wake, heartbeat) = (Wake::Interval(Duration::from_millis(20)), Duration::from_secs(1));
    let with = |workers, batch| Box::new(Apalis { workers, batch, wake, heartbeat }) as Box<dyn System>;
    vec![with(4, 500), with(4, 100), with(1, 500), with(4, 1_000), with(2, 1_000)]
}

/// Woken by NOTIFY. A wake-up that comes just as a fetch finds nothing is lost
/// until the next heartbeat, so there is a candidate with a fast one. A short
/// interval loses so many that the queue stands still.
pub fn for_latency() -> Vec<Box<dyn System>> {
    let with = |wake, heartbeat| {
        Box::new(Apalis { workers: 1, batch: 100, wake, heartbeat: Duration::from_millis(heartbeat) })
            as Box<dyn System>
    };
    vec![with(Wake::Pubsub, 1_000), with(Wake::Pubsub, 20)]
}

impl System for Apalis {
    fn name(&self) -> &'static str {
        "apalis_postgres"
    }

    fn settings(&self) -> String {
        let wake = match self.wake {
            Wake::Interval(interval) => format!("poll_with_interval {} ms", interval.as_millis()),
            Wake::Pubsub => "with_pubsub".to_owned(),
        };
        format!(
            "{} worker(s) × batch {}, lock_tasks false, {wake}, heartbeat {} ms, pool without test_before_acquire",
            self.workers,
            self.batch,
            self.heartbeat.as_millis()
        )
    }

    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>> {
        async move {
            let pool =
                PgPoolOptions::new().max_connections(20).test_before_acquire(false).connect(&db.admin_url).await?;
            PostgresStorage::setup(&pool).await?;
            Ok(Box::new(OpenApalis { pool, settings: *self, starts: 0, workers: Vec::new() }) as Box<dyn Open>)
        }
        .boxed_local()
    }
}

struct OpenApalis {
    pool: PgPool,
    settings: Apalis,
    starts: usize,
    workers: Vec<(WorkerContext, JoinHandle<anyhow::Result<()>>)>,
}

impl Open for OpenApalis {
    fn enqueue(&self, numbers: Range<u32>) -> Done<'_> {
        async move {
            let tasks = numbers
                .map(|n| serde_json::to_vec(&Payload::new(n)).map(|bytes| TaskBuilder::new(bytes).build()))
                .collect::<Result<Vec<_>, _>>()?;
            let mut connection = self.pool.acquire().await?;
            push_tasks(&mut *connection, QUEUE, tasks).await?;
            Ok(())
        }
        .boxed_local()
    }

    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_> {
        async move {
            self.starts += 1;
            for number in 0..self.settings.workers {
                // A name that was used before may be refused: its lock stays with
                // whatever connection of the pool took it.
                let context = WorkerContext::new(&format!("bench-{}-{number}", self.starts));
                let running = tokio::spawn(self.work(context.clone(), Arc::clone(&ledger)));
                self.workers.push((context, running));
            }
            Ok(())
        }
        .boxed_local()
    }

    fn stop(&mut self) -> Done<'_> {
        async move {
            for (context, running) in self.workers.drain(..) {
                context.stop()?;
                running.await??;
            }
            Ok(())
        }
        .boxed_local()
    }

    fn is_finished(&self) -> Done<'_, bool> {
        sql_is_true(&self.pool, "SELECT NOT EXISTS (SELECT FROM apalis.jobs WHERE status <> 'Done')")
    }
}

impl OpenApalis {
    fn work(&self, context: WorkerContext, ledger: Arc<Ledger>) -> BoxFuture<'static, anyhow::Result<()>> {
        let Apalis { batch, wake, heartbeat, .. } = self.settings;
        // Thirty seconds of silence are a death, however fast the heart beats.
        let missed = (30_000 / heartbeat.as_millis().max(1)) as usize;
        let config = Config::default()
            .queue(QUEUE)
            .batch_size(batch)
            .lock_tasks(false)
            .heartbeat_interval(heartbeat)
            .missed_heartbeats(missed);
        let backend = PostgresStorage::<Payload>::new(&self.pool).with_config(config);
        let builder = WorkerBuilder::new(&context);
        match wake {
            Wake::Interval(interval) => {
                let worker = builder.backend(backend.poll_with_interval(interval)).data(ledger).build(no_op);
                async move { Ok(worker.run().await?) }.boxed()
            }
            Wake::Pubsub => {
                let worker = builder.backend(backend.with_pubsub()).data(ledger).build(no_op);
                async move { Ok(worker.run().await?) }.boxed()
            }
        }
    }
}

async fn no_op(payload: Payload, ledger: Data<Arc<Ledger>>) -> Result<(), BoxDynError> {
    ledger.run(payload.n);
    Ok(())
}
