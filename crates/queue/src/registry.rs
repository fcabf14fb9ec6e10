//! The kinds of jobs that a process can run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, value::RawValue};

use crate::{
    context::JobContext,
    error::QueueError,
    job::{Job, RunError},
    new_job::NewJob,
    pace::Backoff,
};

/// Makes a job of a payload; the error says why it does not fit.
type Make = fn(Value) -> Result<NewJob, String>;

type Run<S> = fn(&RawValue, JobContext<S>) -> Result<BoxFuture<'static, Result<(), RunError>>, RunError>;

/// What the queue knows of one kind.
pub(crate) struct Kind<S> {
    pub(crate) queue: &'static str,
    pub(crate) deadline: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) run: Run<S>,
    make: Make,
}

/// The list of kinds. One line per job:
///
/// ```ignore
/// let registry = Registry::new().register::<RollUp>()?.register::<RefreshKpi>()?;
/// ```
pub struct Registry<S> {
    kinds: BTreeMap<&'static str, Kind<S>>,
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// No kinds yet.
    #[must_use]
    pub fn new() -> Self {
        Self { kinds: BTreeMap::new() }
    }

    /// Adds a kind.
    ///
    /// # Errors
    /// [`QueueError::DuplicateKind`] when the kind is there already.
    pub fn register<J: Job<State = S>>(mut self) -> Result<Self, QueueError> {
        let kind = Kind { queue: J::QUEUE, deadline: J::DEADLINE, backoff: J::BACKOFF, run: run::<J>, make: make::<J> };
        match self.kinds.insert(J::KIND, kind) {
            None => Ok(self),
            Some(_) => Err(QueueError::DuplicateKind(J::KIND)),
        }
    }

    /// All kinds, in alphabetical order.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.kinds.keys().copied()
    }

    /// The queues that the kinds wait in, each once, in alphabetical order.
    #[must_use]
    pub fn queues(&self) -> Vec<&'static str> {
        let mut queues: Vec<_> = self.kinds.values().map(|kind| kind.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// A job of a kind with the defaults of that kind, for whoever has its name
    /// and payload only from elsewhere.
    ///
    /// # Errors
    /// [`QueueError::UnknownKind`]; [`QueueError::Payload`] when the kind could
    /// not read the payload: its text may quote it.
    pub fn new_job(&self, kind: &str, payload: Value) -> Result<NewJob, QueueError> {
        let known = self.get(kind).ok_or_else(|| QueueError::UnknownKind(kind.to_owned()))?;
        (known.make)(payload).map_err(|reason| QueueError::Payload { kind: kind.to_owned(), reason })
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Kind<S>> {
        self.kinds.get(kind)
    }

    /// Deadlines as `{"kind": seconds}`, as the claim wants them.
    pub(crate) fn deadlines(&self) -> Value {
        self.kinds.iter().map(|(name, kind)| ((*name).to_owned(), Value::from(kind.deadline.as_secs_f64()))).collect()
    }
}

impl<S: Send + Sync + 'static> Default for Registry<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> std::fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}

fn run<J: Job>(
    payload: &RawValue,
    ctx: JobContext<J::State>,
) -> Result<BoxFuture<'static, Result<(), RunError>>, RunError> {
    let job: J = serde_json::from_str(payload.get()).map_err(|error| {
        // The message itself may quote the payload, so only its class is told.
        RunError::Undecodable(format!("{:?} error for kind {}", error.classify(), J::KIND))
    })?;
    Ok(async move { job.run(ctx).await.map_err(RunError::from) }.boxed())
}

fn make<J: Job>(payload: Value) -> Result<NewJob, String> {
    // What is stored is what was given: read once, it may look different.
    let job: J = serde_json::from_value(payload.clone()).map_err(|error| error.to_string())?;
    let job = NewJob::of(&job).map_err(|error| error.to_string())?;
    Ok(NewJob { payload, ..job })
}

/// A registry with its state, behind one pointer.
pub(crate) struct Jobs<S> {
    pub(crate) registry: Registry<S>,
    pub(crate) state: Arc<S>,
}
