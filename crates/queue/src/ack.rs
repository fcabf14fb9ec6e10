//! The layer between worker and handlers: turns how a run ended into a report.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{error::BoxDynError, task::Task};
use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::mpsc, time::Instant};
use tower::{Layer, Service};

use crate::{
    claimed::{ClaimedJob, Ticket},
    completer::Finished,
    error::storable,
    job::RunError,
    pace::Backoff,
    store::Ending,
};

/// Looks up the backoff of a kind.
pub(crate) type Backoffs = Arc<dyn Fn(&str) -> Backoff + Send + Sync>;

/// Reports every run to the completer.
#[derive(Clone)]
pub(crate) struct AckLayer {
    pub(crate) finished: mpsc::Sender<Finished>,
    pub(crate) backoffs: Backoffs,
}

impl<S> Layer<S> for AckLayer {
    type Service = AckService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AckService { inner, ack: self.clone() }
    }
}

pub(crate) struct AckService<S> {
    inner: S,
    ack: AckLayer,
}

impl<S> Service<Task<ClaimedJob>> for AckService<S>
where
    S: Service<Task<ClaimedJob>, Response = (), Error: Into<BoxDynError>>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<ClaimedJob>) -> Self::Future {
        let ticket = Arc::clone(&task.args.ticket);
        let ack = self.ack.clone();
        let started = Instant::now();
        let run = self.inner.call(task);
        async move {
            let result = run.await.map_err(Into::into);
            let finished = ack.finished(&ticket, started, &result);
            // Full means that the database is behind: hold the permit until it
            // is not. Closed means that the runner is gone, and the lease with it.
            if ack.finished.send(finished).await.is_err() {
                tracing::warn!(job_id = ticket.info.id, "report lost, the job will be taken back");
            }
            result
        }
        .boxed()
    }
}

impl AckLayer {
    fn finished(&self, ticket: &Ticket, started: Instant, result: &Result<(), BoxDynError>) -> Finished {
        let settled_at = ticket.settled.at_epoch_seconds();
        let ending = match result {
            // If it did commit, the claim is gone and this report is void.
            Ok(()) if settled_at.is_some() => {
                self.failed(ticket, "completed in a transaction that did not commit".into(), None)
            }
            Ok(()) => Ending::Succeeded,
            Err(error) => self.ending_of(ticket, error),
        };
        let report = ticket.report(ending, Some(started));
        Finished { info: Arc::clone(&ticket.info), report, settled_at, resent: false, capped: ticket.capped }
    }

    fn ending_of(&self, ticket: &Ticket, error: &BoxDynError) -> Ending {
        if let Some(join) = error.downcast_ref::<tokio::task::JoinError>() {
            // The runtime is being torn down.
            return if join.is_cancelled() { Ending::Interrupted } else { self.failed(ticket, join.to_string(), None) };
        }
        match error.downcast_ref::<RunError>() {
            Some(RunError::Interrupted) => Ending::Interrupted,
            Some(RunError::Cancelled) => Ending::Cancelled,
            Some(RunError::Snoozed(delay)) => Ending::Snoozed { delay: *delay },
            Some(dead @ (RunError::Fatal(_) | RunError::UnknownKind | RunError::Undecodable(_))) => {
                Ending::Dead { reason: storable(&dead.to_string()) }
            }
            Some(RunError::RetryAfter(delay, _)) => self.failed(ticket, error.to_string(), Some(*delay)),
            _ => self.failed(ticket, error.to_string(), None),
        }
    }

    /// A failure: again after a delay, or dead if that was the last attempt.
    fn failed(&self, ticket: &Ticket, error: String, delay: Option<Duration>) -> Ending {
        let error = storable(&error);
        let info = &ticket.info;
        if info.attempt >= info.max_attempts {
            return Ending::Dead { reason: error };
        }
        let retry_after =
            delay.unwrap_or_else(|| (self.backoffs)(&info.kind).delay(info.attempt, rand::random::<f64>()));
        Ending::Failed { error, retry_after }
    }
}
