//! What a handler is given.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::PgConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    error::QueueError,
    job::JobInfo,
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
            ending: Ending::Succeeded,
            duration: self.started.elapsed(),
        };
        // Waits, where the statement for batches would skip: the caller's
        // transaction is its own and nobody else's jobs wait behind it.
        sqlx::query!("SELECT 1 AS held FROM tally.jobs WHERE id = $1 FOR UPDATE", self.job.id)
            .fetch_optional(&mut *db)
            .await?;
        match store::complete(db, &[report]).await?.first() {
            Some(Verdict::Accepted { .. }) => {
                self.settled.mark();
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
            started: self.started,
        }
    }
}

impl<S> std::fmt::Debug for JobContext<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobContext").field("job", &self.job).finish_non_exhaustive()
    }
}

/// Whether a handler completed its job in a transaction of its own. The
/// acknowledgement then only has to find out whether that one committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled(Arc<AtomicBool>);

impl Settled {
    fn mark(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
