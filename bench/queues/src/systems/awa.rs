//! awa 0.6.9.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::Context;
use awa::{
    Client, InsertOpts, InsertParams, JobArgs, JobResult, PartitionedQueue, QueueConfig, QueueStorage,
    QueueStorageConfig,
};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sqlx_08::{PgPool, postgres::PgPoolOptions};
use tallyline_testkit::TestDb;

use crate::system::{Done, Ledger, Open, Payload, System};

const QUEUE: &str = "bench";

#[derive(Clone)]
struct Awa {
    /// Physical queues of the one logical queue.
    partitions: usize,
    /// Of each physical queue.
    max_workers: u32,
    stripes: usize,
    claim_batch: usize,
    poll: Duration,
}

/// Settings to choose from.
pub fn candidates() -> Vec<Box<dyn System>> {
    let with = |partitions, max_workers, stripes| {
        let (claim_batch, poll) = (512, Duration::from_millis(50));
        Box::new(Awa { partitions, max_workers, stripes, claim_batch, poll }) as Box<dyn System>
    };
    vec![with(1, 1_024, 1), with(1, 1_024, 2), with(2, 512, 1), with(4, 512, 1)]
}

/// Woken by NOTIFY, with a smaller batch, as its documentation advises.
pub fn for_latency() -> Vec<Box<dyn System>> {
    let with = |max_workers, claim_batch, poll| {
        let poll = Duration::from_millis(poll);
        Box::new(Awa { partitions: 1, max_workers, stripes: 1, claim_batch, poll }) as Box<dyn System>
    };
    vec![with(256, 64, 50), with(50, 512, 200)]
}

impl System for Awa {
    fn name(&self) -> &'static str {
        "awa"
    }

    fn settings(&self) -> String {
        format!(
            "{} physical queue(s) × max_workers {}, {} stripe(s), claim_batch_size {}, deadline_duration zero, poll_interval {} ms, COPY",
            self.partitions,
            self.max_workers,
            self.stripes,
            self.claim_batch,
            self.poll.as_millis()
        )
    }

    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>> {
        async move {
            let pool =
                PgPoolOptions::new().max_connections(50).test_before_acquire(false).connect(&db.admin_url).await?;
            awa::migrations::run(&pool).await?;
            let config = QueueStorageConfig { queue_stripe_count: self.stripes, ..QueueStorageConfig::default() };
            let store = QueueStorage::new(config.clone())?;
            store.install(&pool).await?;
            let queues = PartitionedQueue::new(QUEUE, self.partitions)?;
            let open = OpenAwa { pool, store, config, queues, settings: self.clone(), client: None };
            Ok(Box::new(open) as Box<dyn Open>)
        }
        .boxed_local()
    }
}

#[derive(Serialize, Deserialize, JobArgs)]
struct NoOp {
    #[serde(flatten)]
    payload: Payload,
}

struct OpenAwa {
    pool: PgPool,
    store: QueueStorage,
    config: QueueStorageConfig,
    queues: PartitionedQueue,
    settings: Awa,
    client: Option<Client>,
}

impl Open for OpenAwa {
    fn enqueue(&self, numbers: Range<u32>) -> Done<'_> {
        async move {
            let physical = self.queues.physical_queues();
            let jobs = numbers
                .map(|n| {
                    let queue = physical[n as usize % physical.len()].to_string();
                    let args = serde_json::to_value(Payload::new(n))?;
                    let opts = InsertOpts { queue, ..InsertOpts::default() };
                    Ok(InsertParams { kind: NoOp::kind().to_owned(), args, opts })
                })
                .collect::<Result<Vec<_>, serde_json::Error>>()?;
            self.store.enqueue_params_copy(&self.pool, &jobs).await?;
            Ok(())
        }
        .boxed_local()
    }

    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_> {
        async move {
            let queue = QueueConfig {
                max_workers: self.settings.max_workers,
                claim_batch_size: self.settings.claim_batch,
                poll_interval: self.settings.poll,
                deadline_duration: Duration::ZERO,
                ..QueueConfig::default()
            };
            let second = Duration::from_secs(1);
            let client = Client::builder(self.pool.clone())
                .partitioned_queue(&self.queues, queue)
                .queue_storage(self.config.clone(), second, second)
                .register::<NoOp, _, _>(move |job, _| {
                    let ledger = Arc::clone(&ledger);
                    async move {
                        ledger.run(job.payload.n);
                        Ok(JobResult::Completed)
                    }
                })
                .build()?;
            client.start().await?;
            self.client = Some(client);
            Ok(())
        }
        .boxed_local()
    }

    fn stop(&mut self) -> Done<'_> {
        async move {
            self.client.take().context("not started")?.shutdown(Duration::from_secs(30)).await;
            Ok(())
        }
        .boxed_local()
    }

    fn is_finished(&self) -> Done<'_, bool> {
        async move {
            for queue in self.queues.physical_queues() {
                let counts = self.store.queue_counts(&self.pool, queue).await?;
                if counts.available > 0 || counts.running > 0 {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        .boxed_local()
    }
}
