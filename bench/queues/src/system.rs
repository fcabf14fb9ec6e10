//! What every queue under measurement must be able to do.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures::{FutureExt, future::LocalBoxFuture};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_testkit::TestDb;
use tokio::sync::Notify;

/// Something that a system does and that may fail.
pub type Done<'a, T = ()> = LocalBoxFuture<'a, anyhow::Result<T>>;

/// Jobs per enqueueing transaction, the same for every system.
pub const ENQUEUE_BATCH: u32 = 1_000;

/// A system with one choice of settings.
pub trait System {
    /// Systems of one name are the same with other settings.
    fn name(&self) -> &'static str;

    /// Every setting that is not the default, in words.
    fn settings(&self) -> String;

    /// Makes it ready to work on a database of its own.
    fn open<'a>(&'a self, db: &'a TestDb) -> Done<'a, Box<dyn Open>>;

    /// Whether it works on the tables of Tallyline.
    fn is_ours(&self) -> bool {
        false
    }
}

/// A system at work on a database.
pub trait Open {
    /// Enqueues and commits one job for each number, in one transaction.
    fn enqueue(&self, numbers: Range<u32>) -> Done<'_>;

    /// Enqueues and commits one job.
    fn enqueue_one(&self, number: u32) -> Done<'_> {
        self.enqueue(number..number + 1)
    }

    /// The same for another tenant than the one of all others, where there are tenants.
    fn enqueue_of_another(&self, number: u32) -> Done<'_> {
        self.enqueue_one(number)
    }

    /// Starts workers that tell the ledger of every job.
    fn start(&mut self, ledger: Arc<Ledger>) -> Done<'_>;

    /// Stops the workers.
    fn stop(&mut self) -> Done<'_>;

    /// Whether every job is completed, as the database knows it.
    fn is_finished(&self) -> Done<'_, bool>;
}

/// Asks the database.
pub fn sql_is_true<'a>(pool: &'a PgPool, question: &'static str) -> Done<'a, bool> {
    async move { Ok(sqlx::query_scalar(question).fetch_one(pool).await?) }.boxed_local()
}

/// The payload of every job: 40 bytes of JSON, give or take a digit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payload {
    /// Number of the job in its ledger.
    pub n: u32,
    /// Makes up the length.
    pub text: String,
}

impl Payload {
    /// The payload of job `n`.
    pub fn new(n: u32) -> Self {
        Self { n, text: "twenty bytes of text".to_owned() }
    }
}

/// Counts the runs of each job, and notes when its first began.
pub struct Ledger {
    epoch: Instant,
    runs: Vec<AtomicU32>,
    /// Nanoseconds since the epoch; 0 for none yet.
    begun: Vec<AtomicU64>,
    left: AtomicUsize,
    all_run: Notify,
}

impl Ledger {
    /// For the jobs `0..jobs`.
    pub fn new(jobs: u32) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            runs: (0..jobs).map(|_| AtomicU32::new(0)).collect(),
            begun: (0..jobs).map(|_| AtomicU64::new(0)).collect(),
            left: AtomicUsize::new(jobs as usize),
            all_run: Notify::new(),
        })
    }

    /// The first thing that a handler does.
    pub fn run(&self, n: u32) {
        let n = n as usize;
        let (Some(runs), Some(begun)) = (self.runs.get(n), self.begun.get(n)) else { return };
        if runs.fetch_add(1, Ordering::Relaxed) == 0 {
            let nanos = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
            begun.store(nanos.max(1), Ordering::Relaxed);
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.all_run.notify_waiters();
            }
        }
    }

    /// How many there are.
    pub fn jobs(&self) -> u32 {
        u32::try_from(self.runs.len()).unwrap_or(u32::MAX)
    }

    /// Waits until every job has begun; false when that has not happened at `deadline`.
    pub async fn all_begun(&self, deadline: Instant) -> bool {
        let waiting = async {
            loop {
                let notified = self.all_run.notified();
                if self.left.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout_at(deadline.into(), waiting).await.is_ok()
    }

    /// When the first run of a job began.
    pub fn begun_at(&self, n: u32) -> Option<Instant> {
        let nanos = self.begun.get(n as usize)?.load(Ordering::Relaxed);
        (nanos > 0).then(|| self.epoch + Duration::from_nanos(nanos))
    }

    /// Fails unless every job ran exactly once.
    pub fn check(&self) -> anyhow::Result<()> {
        let runs: Vec<u32> = self.runs.iter().map(|runs| runs.load(Ordering::Relaxed)).collect();
        let (never, more) = (runs.iter().filter(|n| **n == 0).count(), runs.iter().filter(|n| **n > 1).count());
        ensure!(never == 0 && more == 0, "of {} jobs {never} never ran and {more} ran more than once", runs.len());
        Ok(())
    }
}
