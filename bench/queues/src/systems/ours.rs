//! Tallyline's own queue.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::Context;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, types::Uuid};
use tallyline_queue::{Job, JobContext, JobError, NewJob, Queue, Registry, Runner};
use tallyline_testkit::TestDb;

use crate::system::{Done, Ledger, Open, Payload, System, sql_is_true};

struct Ours {
    name: &'static str,
    concurrency: usize,
    /// Whether whoever enqueues wakes the workers of its process.
    hint: bool,
}

/// Settings to choose from.
pub fn candidates() -> Vec<Box<dyn System>> {
    let with = |concurrency| Box::new(Ours { name: "ours", concurrency, hint: true }) as Box<dyn System>;
    vec![with(500), with(1_000), with(2_000)]
}

/// One row for those who enqueue in the process of the workers, one for others.
pub fn for_latency() -> Vec<Box<dyn System>> {
    vec![
        Box::new(Ours { name: "ours", concurrency: 500, hint: true }),
        Box::new(Ours { name: "ours_other_process", concurrency: 500, hint: false }),
    ]
}

impl System for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self) -> String {
        let hint = if self.hint { "hint after commit" } else { "enqueued through a handle without hint" };
        format!("concurrency {}, {hint}", self.concurrency)
    }

    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>> {
        let open = OpenOurs {
            pool: db.pool.clone(),
            concurrency: self.concurrency,
            hint: self.hint,
            queue: Queue::new(),
            runner: None,
        };
        async move { Ok(Box::new(open) as Box<dyn Open>) }.boxed_local()
    }

    fn is_ours(&self) -> bool {
        true
    }
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct NoOp(Payload);

impl Job for NoOp {
    type State = Ledger;
    const KIND: &'static str = "no_op";
    const QUEUE: &'static str = "bench";

    async fn run(self, ctx: JobContext<Ledger>) -> Result<(), JobError> {
        ctx.state.run(self.0.n);
        Ok(())
    }
}

struct OpenOurs {
    pool: PgPool,
    concurrency: usize,
    hint: bool,
    queue: Queue,
    runner: Option<Runner>,
}

impl Open for OpenOurs {
    fn enqueue(&self, numbers: Range<u32>) -> Done<'_> {
        async move {
            let jobs = numbers.map(|n| NewJob::of(&NoOp(Payload::new(n)))).collect::<Result<Vec<_>, _>>()?;
            let mut connection = self.pool.acquire().await?;
            self.queue.enqueue_bulk(&mut connection, &jobs).await?;
            if self.hint {
                self.queue.hint();
            }
            Ok(())
        }
        .boxed_local()
    }

    fn enqueue_of_another(&self, number: u32) -> Done<'_> {
        async move {
            let job = NewJob::of(&NoOp(Payload::new(number)))?.for_user(Uuid::from_u128(1));
            self.queue.enqueue(&mut *self.pool.acquire().await?, job).await?;
            if self.hint {
                self.queue.hint();
            }
            Ok(())
        }
        .boxed_local()
    }

    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_> {
        async move {
            let registry = Registry::new().register::<NoOp>()?;
            let builder = Runner::builder(self.pool.clone(), registry, ledger).queue(NoOp::QUEUE, self.concurrency);
            let runner = builder.start()?;
            if self.hint {
                self.queue = runner.queue();
            }
            self.runner = Some(runner);
            Ok(())
        }
        .boxed_local()
    }

    fn stop(&mut self) -> Done<'_> {
        async move {
            let runner = self.runner.take().context("not started")?;
            let stale = runner.counters().stale_completions();
            anyhow::ensure!(runner.shutdown(Duration::from_secs(30)).await, "the runner did not stop in time");
            anyhow::ensure!(stale == 0, "{stale} completions were refused");
            Ok(())
        }
        .boxed_local()
    }

    fn is_finished(&self) -> Done<'_, bool> {
        sql_is_true(&self.pool, "SELECT NOT EXISTS (SELECT FROM tally.jobs)")
    }
}
