//! What a job is: the trait to implement, and how a run may end.

use std::{future::Future, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{context::JobContext, error::BoxError, error::chain, pace::Backoff, trace::TraceContext};

/// A kind of job. The value is the payload.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// What handlers share: pools, clients, configuration.
    type State: Send + Sync + 'static;

    /// Name of the kind, stored with every job. Never change it while jobs live.
    const KIND: &'static str;
    /// The queue it waits in.
    const QUEUE: &'static str = "default";
    /// Attempts before it becomes a dead letter.
    const MAX_ATTEMPTS: i32 = 10;
    /// Longest run of one attempt; then it is cancelled and counts as failed.
    const DEADLINE: Duration = Duration::from_secs(15 * 60);
    /// Delay between attempts.
    const BACKOFF: Backoff = Backoff::DEFAULT;
    /// 0 runs first, 3 last.
    const PRIORITY: i16 = 1;

    /// Runs one attempt. It may run more than once, and is dropped at an await
    /// point when its claim is lost, its deadline passes or the process stops.
    ///
    /// # Errors
    /// Says what is to become of the job, see [`JobError`].
    fn run(self, ctx: JobContext<Self::State>) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// How an attempt failed. `?` on any error gives [`JobError::Retry`].
#[derive(Debug)]
pub enum JobError {
    /// Try again after the backoff of the kind, while attempts are left.
    Retry(BoxError),
    /// Try again after this delay, while attempts are left.
    RetryAfter(Duration, BoxError),
    /// Never try again: dead letter at once.
    Fatal(BoxError),
    /// Not now: run again after this delay. It is no failure and no attempt.
    Snooze(Duration),
}

impl JobError {
    /// Try again after the backoff of the kind.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::Retry(error.into())
    }

    /// Try again after `delay`.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self::RetryAfter(delay, error.into())
    }

    /// Not now: run again after `delay`, without counting this attempt.
    #[must_use]
    pub fn snooze(delay: Duration) -> Self {
        Self::Snooze(delay)
    }

    /// Never try again.
    pub fn fatal(error: impl Into<BoxError>) -> Self {
        Self::Fatal(error.into())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Retry(Box::new(error))
    }
}

/// What a handler may know of the claim it runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Id of the job.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// 1 for the first attempt.
    pub attempt: i32,
    /// Attempts before it becomes a dead letter.
    pub max_attempts: i32,
    /// Number of this claim; with id and lease it names this run and no other.
    pub claim: i64,
    /// Lease of the process that runs it.
    pub lease_id: Uuid,
    /// The tenant it belongs to.
    pub user_id: Option<Uuid>,
    /// Key of a coalesced job.
    pub key: Option<String>,
    /// W3C `traceparent` of whoever enqueued it.
    pub trace: Option<String>,
    /// Span of this run; what it enqueues carries it.
    pub run_trace: TraceContext,
}

/// How a run ended, as the layers between handler and acknowledgement pass it on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{}", chain(.0.as_ref()))]
    Retry(BoxError),
    #[error("{}", chain(.1.as_ref()))]
    RetryAfter(Duration, BoxError),
    #[error("{}", chain(.0.as_ref()))]
    Fatal(BoxError),
    #[error("panicked: {0}")]
    Panicked(String),
    #[error("ran longer than {} s", .0.as_secs_f64())]
    DeadlineExceeded(Duration),
    #[error("snoozed for {} s", .0.as_secs_f64())]
    Snoozed(Duration),
    #[error("interrupted")]
    Interrupted,
    #[error("cancelled")]
    Cancelled,
    #[error("the kind is not registered")]
    UnknownKind,
    /// Position only: the text of a decoding error quotes the payload.
    #[error("payload cannot be decoded: {0}")]
    Undecodable(String),
}

impl From<JobError> for RunError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Retry(source) => Self::Retry(source),
            JobError::RetryAfter(delay, source) => Self::RetryAfter(delay, source),
            JobError::Fatal(source) => Self::Fatal(source),
            JobError::Snooze(delay) => Self::Snoozed(delay),
        }
    }
}
