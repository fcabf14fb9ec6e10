//! A job to be enqueued.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::{error::QueueError, job::Job, trace::TraceContext};

/// A job that does not exist yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Kind, see [`Job::KIND`].
    pub kind: String,
    /// Queue it waits in.
    pub queue: String,
    /// The tenant it belongs to.
    pub user_id: Option<Uuid>,
    /// Its payload. Up to 1 KiB lies inline in the row.
    pub payload: Value,
    /// 0 runs first, 3 last.
    pub priority: i16,
    /// Delay from the database's time of the transaction.
    pub run_after: Duration,
    /// Attempts before it becomes a dead letter.
    pub max_attempts: i32,
    /// W3C `traceparent` of whoever enqueues it. That of the run or request
    /// under way, see [`crate::Span::scope`], unless it is set.
    pub trace: Option<String>,
    /// Not beside another job with the same key.
    pub unique: Option<Unique>,
}

/// A key that only one job of a kind and a tenant may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key.
    pub key: String,
    /// Which jobs hold it.
    pub scope: UniqueScope,
    /// Longest time that a job holds it, from its enqueuing.
    pub window: Option<Duration>,
}

/// Which jobs hold a unique key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueScope {
    /// Those that wait for their first start.
    Waiting,
    /// Those that wait or run, retries included.
    Live,
    /// All until the window ends, whatever became of them. Without a window: a day.
    Any,
}

impl UniqueScope {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Any => "any",
        }
    }
}

/// Window of [`UniqueScope::Any`] when none is given; a key never blocks for ever.
const ANY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl Unique {
    /// A key held while the job lives.
    pub fn live(key: impl Into<String>) -> Self {
        Self { key: key.into(), scope: UniqueScope::Live, window: None }
    }

    /// A key held until the job starts.
    pub fn waiting(key: impl Into<String>) -> Self {
        Self { key: key.into(), scope: UniqueScope::Waiting, window: None }
    }

    /// A key held for this long after the enqueuing, whatever becomes of the job.
    pub fn within(key: impl Into<String>, window: Duration) -> Self {
        Self { key: key.into(), scope: UniqueScope::Any, window: Some(window) }
    }

    pub(crate) fn window_seconds(&self) -> Option<f64> {
        let least = (self.scope == UniqueScope::Any).then_some(ANY_WINDOW);
        self.window.or(least).map(|window| window.as_secs_f64())
    }
}

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was added and has this id.
    Inserted(i64),
    /// Another job holds its key; nothing was added.
    Duplicate {
        /// The job that holds the key; it may have ended since.
        of: i64,
    },
}

impl Enqueued {
    /// The job that there is now: the new one or the one that holds the key.
    #[must_use]
    pub const fn job_id(self) -> i64 {
        match self {
            Self::Inserted(id) | Self::Duplicate { of: id } => id,
        }
    }

    /// Whether the job was added.
    #[must_use]
    pub const fn is_inserted(self) -> bool {
        matches!(self, Self::Inserted(_))
    }
}

impl NewJob {
    /// A job with the defaults of its kind.
    ///
    /// # Errors
    /// [`QueueError::Encode`] when the payload cannot be written as JSON.
    pub fn of<J: Job>(job: &J) -> Result<Self, QueueError> {
        let payload = serde_json::to_value(job).map_err(|_| QueueError::Encode { kind: J::KIND })?;
        Ok(Self {
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            user_id: None,
            payload,
            priority: J::PRIORITY,
            run_after: Duration::ZERO,
            max_attempts: J::MAX_ATTEMPTS,
            trace: TraceContext::current().map(|context| context.to_string()),
            unique: None,
        })
    }

    /// Names the tenant.
    #[must_use]
    pub fn for_user(mut self, user_id: Uuid) -> Self {
        self.user_id = Some(user_id);
        self
    }

    /// Runs it no sooner than this.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.run_after = delay;
        self
    }

    /// Sets the priority, 0 (first) to 3 (last).
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Adds it only if no other job holds the key.
    #[must_use]
    pub fn unique(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }
}
