//! What a handler is given.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::PgConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    error::QueueError,
    job::JobInfo,
    log::LogTail,
    store::{self, Ending, Report, Verdict},
};

/// The surroundings of one run. Cheap to clone.
pub struct JobContext<S> {
    /// What handlers share.
    pub state: Arc<S>,
    /// The claim it runs under.
    pub job: Arc<JobInfo>,
    /// Cancelled when the claim is lost, the deadline passes, the process stops,
    /// or the run is over. The handler itself is dropped then; the token is for
    /// what it started elsewhere.
    pub cancelled: CancellationToken,
    pub(crate) settled: Settled,
    pub(crate) log: LogTail,
    pub(crate) started: Instant,
}

impl<S> JobContext<S> {
    /// Completes the job in the handler's own transaction, so that effect and
    /// completion are one. Call it last, commit, return `Ok`.
    ///
    /// If the transaction does not commit, the job is not completed and runs
    /// again, whatever the handler returns.
    ///
    /// # Errors
    /// [`QueueError::Fenced`] when the claim is no longer held: the transaction
    /// must be rolled back. [`QueueError::Database`].
    pub async fn complete_in(&self, db: &mut PgConnection) -> Result<(), QueueError> {
        let report = Report {
            job_id: self.job.id,
            claim: self.job.claim,
            lease_id: self.job.lease_id,
            coalesced: self.job.key.is_some(),
            ending: Ending::Succeeded,
            duration: self.started.elapsed(),
            log: self.log.text(),
        };
        // Waits, where the statement for batches would skip: the caller's
        // transaction is its own and nobody else's jobs wait behind it.
        sqlx::query!("SELECT 1 AS held FROM tally.jobs WHERE id = $1 FOR UPDATE", self.job.id)
            .fetch_optional(&mut *db)
            .await?;
        match store::complete(db, &[report], false).await?.first() {
            Some(Verdict::Accepted { at_epoch_seconds }) => {
                self.settled.mark(*at_epoch_seconds);
                Ok(())
            }
            _ => Err(QueueError::Fenced { job_id: self.job.id }),
        }
    }
}

impl<S> Clone for JobContext<S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            job: Arc::clone(&self.job),
            cancelled: self.cancelled.clone(),
            settled: self.settled.clone(),
            log: self.log.clone(),
            started: self.started,
        }
    }
}

impl<S> std::fmt::Debug for JobContext<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobContext").field("job", &self.job).finish_non_exhaustive()
    }
}

/// Whether a handler completed its job in a transaction of its own, and when by
/// the database's clock. The acknowledgement then only has to find out whether
/// that one committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled(Arc<AtomicU64>);

impl Settled {
    fn mark(&self, at_epoch_seconds: f64) {
        self.0.store(at_epoch_seconds.to_bits(), Ordering::Release);
    }

    /// Unix time in seconds; none when nothing was completed.
    pub(crate) fn at_epoch_seconds(&self) -> Option<f64> {
        Some(f64::from_bits(self.0.load(Ordering::Acquire))).filter(|at| *at > 0.0)
    }
}
