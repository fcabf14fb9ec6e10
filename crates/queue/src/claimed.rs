//! A claimed job on its way through the worker.

use std::{fmt, sync::Arc};

use serde_json::value::RawValue;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Settled,
    job::JobInfo,
    lease::Lease,
    limits::KindPermit,
    log::LogTail,
    store::{ClaimedRow, Ending, Report},
    trace::TraceContext,
};

/// What acknowledging a job needs; shared by the handler and the layer around it.
pub(crate) struct Ticket {
    pub(crate) info: Arc<JobInfo>,
    pub(crate) queue: Arc<str>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) settled: Settled,
    pub(crate) claimed: Instant,
    /// Cancelled when somebody asked for it, or the lease is lost.
    pub(crate) cancel: CancellationToken,
    pub(crate) log: LogTail,
    /// Holds one of the permits of its tenant.
    pub(crate) capped: bool,
    // Freed when the job is reported, which lets the claimer take one more.
    _places: Places,
}

/// What a job takes up in this process.
pub(crate) struct Places {
    pub(crate) _queue: OwnedSemaphorePermit,
    pub(crate) _kind: Option<KindPermit>,
}

impl Ticket {
    pub(crate) fn report(&self, ending: Ending, started: Option<Instant>) -> Report {
        Report {
            job_id: self.info.id,
            claim: self.info.claim,
            lease_id: self.info.lease_id,
            coalesced: self.info.key.is_some(),
            ending,
            duration: started.unwrap_or(self.claimed).elapsed(),
            log: self.log.text(),
        }
    }
}

/// A claimed job: the argument of the apalis task.
#[derive(Clone)]
pub struct ClaimedJob {
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) payload: Box<RawValue>,
}

impl ClaimedJob {
    pub(crate) fn new(row: ClaimedRow, queue: Arc<str>, lease: Arc<Lease>, places: Places) -> Self {
        let info = JobInfo {
            id: row.id,
            kind: row.kind,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            claim: row.claims,
            lease_id: lease.id,
            user_id: row.user_id,
            key: row.coalesce_key,
            run_trace: TraceContext::of_run(row.trace.as_deref()),
            trace: row.trace,
        };
        let cancel = lease.lost.child_token();
        let ticket = Ticket {
            info: Arc::new(info),
            queue,
            lease,
            settled: Settled::default(),
            claimed: Instant::now(),
            cancel,
            log: LogTail::default(),
            capped: row.permit_slot.is_some(),
            _places: places,
        };
        Self { ticket: Arc::new(ticket), payload: row.payload.0 }
    }
}

impl fmt::Debug for ClaimedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload stays out of logs.
        f.debug_struct("ClaimedJob").field("info", &self.ticket.info).finish_non_exhaustive()
    }
}
