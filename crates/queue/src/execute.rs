//! One run of one handler, with everything that may end it early.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    claimed::ClaimedJob,
    context::JobContext,
    job::{JobInfo, RunError},
    registry::Jobs,
    span::{self, Span, SpanKind},
    trace::TraceContext,
};

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
    let log = tracing::info_span!(
        target: span::TARGET,
        "job",
        job_id = ticket.info.id,
        kind = ticket.info.kind,
        queue = &*ticket.queue,
        attempt = ticket.info.attempt,
        trace_id = format_args!("{:032x}", ticket.info.run_trace.trace_id),
    );
    let span = span_of(&ticket.info);
    let run = span.scope(ticket.log.scope((kind.run)(&payload, context)?.instrument(log)));
    let result = tokio::select! {
        // The result first: a run that ended as it was called off did end.
        biased;
        result = run => result,
        () = ticket.lease.lost.cancelled() => Err(RunError::Interrupted),
        () = ticket.cancel.cancelled() => Err(RunError::Cancelled),
        () = signals.abort.cancelled() => Err(RunError::Interrupted),
        // The deadline in the database counts from the claim.
        () = tokio::time::sleep_until(ticket.claimed + kind.deadline) => Err(RunError::DeadlineExceeded(kind.deadline)),
    };
    span.end(!matches!(result, Ok(()) | Err(RunError::Snoozed(_))));
    result
}

fn span_of(info: &JobInfo) -> Span {
    let parent = info.trace.as_deref().and_then(TraceContext::parse);
    let span = Span::new(info.run_trace, parent, info.kind.clone(), SpanKind::Consumer);
    span.set("tallyline.job.id", info.id);
    span.set("tallyline.job.attempt", i64::from(info.attempt));
    if let Some(user_id) = info.user_id {
        span.set("tallyline.tenant", user_id.to_string());
    }
    span
}
