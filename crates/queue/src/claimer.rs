//! The task that claims jobs of one queue and hands them to its worker.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use apalis_core::task::{Task, builder::TaskBuilder, task_id::TaskId};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    claimed::ClaimedJob,
    hint::HintListener,
    lease::{Lease, Leases, safe_lease},
    pace::Pace,
    store::{self, ClaimTerms, ClaimedRow},
    telemetry::{WAIT, db_error},
    timing::{POLL_GREATEST, POLL_LEAST, RETRY_GREATEST, STATEMENT_TIMEOUT},
};

/// Jobs per claim. More only makes the statement longer, not cheaper per job.
const BATCH: usize = 500;

/// Claims that this process holds: made, and not yet reported.
///
/// Kept by (job, claim): a job that was handed back may be claimed again before
/// the report of its last claim is struck off.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<(i64, i64)>>>);

impl InFlight {
    fn add(&self, claims: impl Iterator<Item = (i64, i64)>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(claims);
    }

    pub(crate) fn remove(&self, job_id: i64, claim: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(job_id, claim));
    }

    fn job_ids(&self) -> Vec<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(job_id, _)| *job_id).collect()
    }
}

pub(crate) struct Claimer {
    pub(crate) db: PgPool,
    pub(crate) terms: ClaimTerms,
    pub(crate) leases: Leases,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) in_flight: InFlight,
    pub(crate) jobs: mpsc::Sender<Task<ClaimedJob>>,
    pub(crate) hint: HintListener,
    pub(crate) stop: CancellationToken,
}

impl Claimer {
    /// Claims until stopped. Dropping the sender then ends the worker.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        // Stopping must not cut a claim in two, so only the waits are cut.
        let mut idle = Pace::new(POLL_LEAST, POLL_GREATEST);
        let mut failing = Pace::new(POLL_LEAST, RETRY_GREATEST);
        // The lease under which a claim may have happened unseen.
        let mut unsure: Option<Uuid> = None;
        loop {
            let Some(Some(permits)) = stop.run_until_cancelled(self.free_permits()).await else { return };
            let Some(Some(lease)) = stop.run_until_cancelled(safe_lease(&mut self.leases)).await else { return };
            if stop.is_cancelled() {
                return;
            }
            let wait = match self.turn(&lease, permits, &mut unsure).await {
                Ok(Turn::Full) => {
                    idle.reset();
                    failing.reset();
                    Duration::ZERO
                }
                Ok(Turn::Some) => {
                    idle.reset();
                    failing.reset();
                    idle.step()
                }
                Ok(Turn::None(due)) => {
                    failing.reset();
                    let poll = idle.step();
                    // Due now and yet not claimed: someone has it locked. Poll on.
                    due.filter(|due| !due.is_zero()).map_or(poll, |due| due.min(poll))
                }
                Err(error) => {
                    db_error("claim", &error);
                    unsure = Some(lease.id);
                    failing.step()
                }
            };
            if stop.is_cancelled() || !(wait.is_zero() || self.rest(wait, &mut idle).await) {
                return;
            }
        }
    }

    /// Waits until claiming makes sense again; false when stopped.
    async fn rest(&mut self, wait: Duration, idle: &mut Pace) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return false,
            () = tokio::time::sleep(wait) => {}
            () = self.hint.rung() => idle.reset(),
        }
        true
    }

    /// All permits that are free, at least one.
    async fn free_permits(&self) -> Option<OwnedSemaphorePermit> {
        let mut permits = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let more = self.permits.available_permits().min(BATCH - 1);
        if let Ok(more) = Arc::clone(&self.permits).try_acquire_many_owned(u32::try_from(more).unwrap_or(0)) {
            permits.merge(more);
        }
        Some(permits)
    }

    async fn turn(
        &self,
        lease: &Arc<Lease>,
        permits: OwnedSemaphorePermit,
        unsure: &mut Option<Uuid>,
    ) -> Result<Turn, sqlx::Error> {
        if let Some(lease_id) = *unsure {
            let known = self.in_flight.job_ids();
            let released = in_time(store::release_unknown(&self.db, &self.terms.queue, lease_id, &known)).await?;
            if released > 0 {
                tracing::info!(released, queue = self.terms.queue, "gave back jobs whose claim was not answered");
            }
            *unsure = None;
        }
        let wanted = permits.num_permits();
        let rows = in_time(store::claim(&self.db, &self.terms, lease.id, wanted)).await?;
        let claimed = rows.len();
        self.hand_over(rows, lease, permits).await;
        match claimed {
            0 => Ok(Turn::None(in_time(store::next_due(&self.db, &self.terms.queue)).await?)),
            _ if claimed == wanted => Ok(Turn::Full),
            _ => Ok(Turn::Some),
        }
    }

    async fn hand_over(&self, rows: Vec<ClaimedRow>, lease: &Arc<Lease>, mut permits: OwnedSemaphorePermit) {
        self.in_flight.add(rows.iter().map(|row| (row.id, row.claims)));
        let queue: Arc<str> = Arc::from(self.terms.queue.as_str());
        for row in rows {
            let Some(permit) = permits.split(1) else { break };
            metrics::histogram!(WAIT, "queue" => self.terms.queue.clone()).record(row.wait_seconds);
            let id = TaskId::from_int(u64::try_from(row.id).unwrap_or(0));
            let attempt = usize::try_from(row.attempt).unwrap_or(1).saturating_sub(1);
            let job = ClaimedJob::new(row, Arc::clone(&queue), Arc::clone(lease), permit);
            let task = TaskBuilder::new(job).task_id(id).attempt(attempt).build();
            // The channel has room for every permit. It is closed only when the
            // worker is gone; then the lease ends with the process.
            if self.jobs.send(task).await.is_err() {
                return;
            }
        }
    }
}

enum Turn {
    /// As many as wanted: there may be more.
    Full,
    Some,
    /// None; the time until the next is due, if one waits.
    None(Option<Duration>),
}

/// Bounds a statement. The server's own limit is shorter, so that what has not
/// happened by now never will.
pub(crate) async fn in_time<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(STATEMENT_TIMEOUT + Duration::from_secs(5), statement).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
