//! apalis-postgres 1.0.0.

use std::{ops::Range, sync::Arc, time::Duration};

use apalis::prelude::{BackendExt, BoxDynError, Data, Strategy, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_postgres::{Config, PostgresStorage, Pubsub, queries::push_tasks};
use futures::FutureExt;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tallyline_testkit::TestDb;
use tokio::task::JoinHandle;

use crate::system::{Done, Ledger, Open, Payload, System};

const QUEUE: &str = "bench";

#[derive(Clone, Copy)]
struct Apalis {
    workers: usize,
    batch: usize,
    /// Time between fetches that find nothing.
    poll: Duration,
    pubsub: bool,
}

/// Settings to choose from.
pub fn candidates() -> Vec<Box<dyn System>> {
    let with = |workers, batch| {
        Box::new(Apalis { workers, batch, poll: Duration::from_millis(20), pubsub: false }) as Box<dyn System>
    };
    vec![with(4, 100), with(1, 500), with(2, 250), with(4, 500)]
}

/// Woken by NOTIFY.
pub fn for_latency() -> Vec<Box<dyn System>> {
    vec![Box::new(Apalis { workers: 1, batch: 100, poll: Duration::from_secs(1), pubsub: true })]
}

impl System for Apalis {
    fn name(&self) -> &'static str {
        "apalis_postgres"
    }

    fn settings(&self) -> String {
        let wake = if self.pubsub { ", with_pubsub" } else { "" };
        format!(
            "{} worker(s) × batch {}, lock_tasks false, fetched every {} ms when idle{wake}",
            self.workers,
            self.batch,
            self.poll.as_millis()
        )
    }

    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>> {
        async move {
            let pool = PgPoolOptions::new().max_connections(20).connect(&db.admin_url).await?;
            PostgresStorage::setup(&pool).await?;
            Ok(Box::new(OpenApalis { pool, settings: *self, workers: Vec::new() }) as Box<dyn Open>)
        }
        .boxed()
    }

    fn unfinished(&self) -> &'static str {
        "SELECT EXISTS (SELECT FROM apalis.jobs WHERE status <> 'Done')"
    }
}

struct OpenApalis {
    pool: PgPool,
    settings: Apalis,
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
        .boxed()
    }

    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_> {
        async move {
            for number in 0..self.settings.workers {
                let config = Config::default().queue(QUEUE).batch_size(self.settings.batch).lock_tasks(false);
                let mut strategy = Strategy::new();
                if self.settings.pubsub {
                    strategy = strategy.stream(Pubsub::new(self.pool.clone(), QUEUE.to_owned()));
                }
                let backend = PostgresStorage::<Payload>::new(&self.pool)
                    .with_config(config)
                    .poll_with_strategy(strategy.interval(self.settings.poll));
                let context = WorkerContext::new(&format!("bench-{number}"));
                let worker = WorkerBuilder::new(&context).backend(backend).data(Arc::clone(&ledger)).build(no_op);
                let running = async move { worker.run().await.map_err(anyhow::Error::from) }.boxed();
                self.workers.push((context, tokio::spawn(running)));
            }
            Ok(())
        }
        .boxed()
    }

    fn stop(&mut self) -> Done<'_> {
        async move {
            for (context, running) in self.workers.drain(..) {
                context.stop()?;
                running.await??;
            }
            Ok(())
        }
        .boxed()
    }
}

async fn no_op(payload: Payload, ledger: Data<Arc<Ledger>>) -> Result<(), BoxDynError> {
    ledger.run(payload.n);
    Ok(())
}
