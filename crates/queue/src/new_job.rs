//! A job to be enqueued.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::{error::QueueError, job::Job};

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
    /// W3C `traceparent` handed to the handler.
    pub trace: Option<String>,
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
            trace: None,
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
}
