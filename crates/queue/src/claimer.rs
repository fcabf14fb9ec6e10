//! The task that claims jobs of one queue and hands them to its worker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use apalis_core::task::{Task, builder::TaskBuilder, task_id::TaskId};
use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    claimed::{ClaimedJob, Places},
    hint::HintListener,
    lanes::{LaneBook, MOST_LANES},
    lease::{Lease, Leases, safe_lease},
    limits::{KindLimits, Reserved},
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
pub(crate) struct InFlight(Arc<Mutex<HashMap<(i64, i64), CancellationToken>>>);

impl InFlight {
    fn add(&self, jobs: &[ClaimedJob]) {
        let tickets = jobs.iter().map(|job| &job.ticket);
        self.lock().extend(tickets.map(|ticket| ((ticket.info.id, ticket.info.claim), ticket.cancel.clone())));
    }

    pub(crate) fn remove(&self, job_id: i64, claim: i64) {
        self.lock().remove(&(job_id, claim));
    }

    pub(crate) fn remove_all(&self, claims: &[(i64, i64)]) {
        let mut held = self.lock();
        for claim in claims {
            held.remove(claim);
        }
    }

    /// Ends the run of a claim, if it is held here.
    pub(crate) fn cancel(&self, job_id: i64, claim: i64) {
        if let Some(cancel) = self.lock().get(&(job_id, claim)) {
            cancel.cancel();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn job_ids(&self) -> Vec<i64> {
        self.lock().keys().map(|(job_id, _)| *job_id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(i64, i64), CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Claimer {
    pub(crate) db: PgPool,
    pub(crate) terms: ClaimTerms,
    pub(crate) leases: Leases,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) kinds: KindLimits,
    pub(crate) in_flight: InFlight,
    pub(crate) jobs: mpsc::Sender<Vec<Task<ClaimedJob>>>,
    pub(crate) hint: HintListener,
    pub(crate) stop: CancellationToken,
}

/// How a rest ended.
enum Rest {
    Stopped,
    /// Somebody says that there may be work.
    Hinted,
    Over,
}

impl Claimer {
    /// Claims until stopped. Dropping the sender then ends the worker.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        // Stopping must not cut a claim in two, so only the waits are cut.
        let mut idle = Pace::new(POLL_LEAST, POLL_GREATEST);
        let mut failing = Pace::new(POLL_LEAST, RETRY_GREATEST);
        let mut book = LaneBook::new();
        // The lease under which a claim may have happened unseen.
        let mut unsure: Option<Uuid> = None;
        let mut guessed = false;
        loop {
            let Some(Some(permits)) = stop.run_until_cancelled(self.free_permits()).await else { return };
            let Some(Some(lease)) = stop.run_until_cancelled(safe_lease(&mut self.leases)).await else { return };
            if stop.is_cancelled() {
                return;
            }
            let wait = match self.turn(&lease, permits, &mut book, &mut unsure).await {
                // The book was not asked for all there is.
                Ok(0) if std::mem::take(&mut guessed) => continue,
                Ok(0) => {
                    failing.reset();
                    let poll = idle.step();
                    book.due_in().map_or(poll, |due| due.min(poll))
                }
                Ok(_) => {
                    guessed = false;
                    idle.reset();
                    failing.reset();
                    continue;
                }
                Err(error) => {
                    db_error("claim", &error);
                    unsure = Some(lease.id);
                    failing.step()
                }
            };
            guessed = match self.rest(wait).await {
                Rest::Stopped => return,
                Rest::Over => false,
                Rest::Hinted => {
                    idle.reset();
                    book.guess()
                }
            };
        }
    }

    /// Waits until claiming makes sense again.
    async fn rest(&mut self, wait: Duration) -> Rest {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Rest::Stopped,
            () = self.hint.rung() => Rest::Hinted,
            () = tokio::time::sleep(wait) => Rest::Over,
        }
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

    /// Looks for lanes if it is time to, and claims once; returns the number of claimed jobs.
    async fn turn(
        &self,
        lease: &Arc<Lease>,
        permits: OwnedSemaphorePermit,
        book: &mut LaneBook,
        unsure: &mut Option<Uuid>,
    ) -> Result<usize, sqlx::Error> {
        if let Some(lease_id) = *unsure {
            let known = self.in_flight.job_ids();
            let released = store::release_unknown(&self.db, &self.terms.queue, lease_id, &known).await?;
            if released > 0 {
                tracing::info!(released, queue = self.terms.queue, "gave back jobs whose claim was not answered");
            }
            *unsure = None;
        }
        if book.is_stale() {
            self.look(book).await?;
        }
        let wanted = permits.num_permits();
        let mut reserved = self.kinds.reserve(wanted);
        let shares = book.allot(wanted, &mut reserved.room());
        if shares.is_empty() {
            return Ok(0);
        }
        let claim = store::claim_from(&self.db, &self.terms, lease.id, wanted, &shares, book.is_capped());
        let rows = in_time(claim).await?;
        if !rows.is_empty() {
            pass::<sqlx::Error>(Point::JobsClaimed)?;
        }
        book.settle(&shares, wanted, &rows);
        let claimed = rows.len();
        self.hand_over(rows, lease, permits, &mut reserved).await;
        Ok(claimed)
    }

    async fn look(&self, book: &mut LaneBook) -> Result<(), sqlx::Error> {
        let (priority, tenant, kind) = book.cursor();
        let began = Instant::now();
        let look = store::lanes(&self.db, &self.terms.queue, MOST_LANES, (priority, tenant, &kind));
        let found = in_time(look).await?;
        book.enter(found, began.elapsed());
        if book.is_capped() && !book.tenants().is_empty() {
            in_time(store::make_permits(&self.db, &self.terms.queue, &book.tenants())).await?;
        }
        Ok(())
    }

    async fn hand_over(
        &self,
        rows: Vec<ClaimedRow>,
        lease: &Arc<Lease>,
        mut permits: OwnedSemaphorePermit,
        reserved: &mut Reserved<'_>,
    ) {
        let queue: Arc<str> = Arc::from(self.terms.queue.as_str());
        let wait = metrics::histogram!(WAIT, "queue" => self.terms.queue.clone());
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            // As many as were asked for at most, so there is one for each.
            let Some(permit) = permits.split(1) else { break };
            wait.record(row.wait_seconds);
            let places = Places { _queue: permit, _kind: reserved.take(&row.kind) };
            jobs.push(ClaimedJob::new(row, Arc::clone(&queue), Arc::clone(lease), places));
        }
        drop(permits);
        self.in_flight.add(&jobs);
        let tasks = jobs.into_iter().map(task_of).collect();
        // Closed only when the worker is gone; then the lease ends with the process.
        let _ = self.jobs.send(tasks).await;
    }
}

fn task_of(job: ClaimedJob) -> Task<ClaimedJob> {
    let id = TaskId::from_int(u64::try_from(job.ticket.info.id).unwrap_or(0));
    let attempt = usize::try_from(job.ticket.info.attempt).unwrap_or(1).saturating_sub(1);
    TaskBuilder::new(job).task_id(id).attempt(attempt).build()
}

/// Bounds a statement. The server's own limit is shorter, so that what has not
/// happened by now never will.
pub(crate) async fn in_time<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(STATEMENT_TIMEOUT + Duration::from_secs(5), statement).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
