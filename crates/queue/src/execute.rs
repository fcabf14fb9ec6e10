//! One run of one handler, with everything that may end it early.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{claimed::ClaimedJob, context::JobContext, job::RunError, registry::Jobs};

/// Signals from the runner to all handlers.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    /// Nothing new is started.
    pub(crate) stopping: CancellationToken,
    /// What runs is dropped.
    pub(crate) abort: CancellationToken,
}

/// Decodes the payload and runs the handler until it ends, its claim is lost,
/// its deadline passes or the runner gives up waiting.
pub(crate) async fn execute<S: Send + Sync + 'static>(
    job: ClaimedJob,
    jobs: Arc<Jobs<S>>,
    signals: Signals,
) -> Result<(), RunError> {
    let ClaimedJob { ticket, payload } = job;
    if signals.stopping.is_cancelled() || !ticket.lease.is_safe() {
        return Err(RunError::Interrupted);
    }
    let kind = jobs.registry.get(&ticket.info.kind).ok_or(RunError::UnknownKind)?;
    // Tells what the handler started elsewhere that the run is over.
    let cancelled = ticket.cancel.clone();
    let _cancel_at_the_end = cancelled.clone().drop_guard();
    let context = JobContext {
        state: Arc::clone(&jobs.state),
        job: Arc::clone(&ticket.info),
        cancelled,
        settled: ticket.settled.clone(),
        log: ticket.log.clone(),
        started: Instant::now(),
    };
    let trace = ticket.info.run_trace;
    let span = tracing::info_span!(
        "job",
        id = ticket.info.id,
        kind = ticket.info.kind,
        queue = &*ticket.queue,
        attempt = ticket.info.attempt,
        trace_id = format_args!("{:032x}", trace.trace_id),
        span_id = format_args!("{:016x}", trace.span_id),
        parent = ticket.info.trace,
    );
    let run = trace.scope(ticket.log.scope((kind.run)(&payload, context)?.instrument(span)));
    tokio::select! {
        // The result first: a run that ended as it was called off did end.
        biased;
        result = run => result,
        () = ticket.lease.lost.cancelled() => Err(RunError::Interrupted),
        () = ticket.cancel.cancelled() => Err(RunError::Cancelled),
        () = signals.abort.cancelled() => Err(RunError::Interrupted),
        // The deadline in the database counts from the claim.
        () = tokio::time::sleep_until(ticket.claimed + kind.deadline) => Err(RunError::DeadlineExceeded(kind.deadline)),
    }
}
