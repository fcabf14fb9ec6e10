//! What a schedule is.

use serde_json::Value;

use crate::{cron::Cron, error::QueueError, job::Job};

/// What becomes of fires that came due while no scheduler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// A fire more than a minute late is not made up for.
    Skip,
    /// However many were missed, one job makes up for all.
    Coalesce,
    /// Every one gets its job, oldest first.
    CatchUp,
}

/// What becomes of a fire while the job of an earlier one still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// They run side by side.
    Allow,
    /// The fire is skipped.
    Skip,
    /// It runs after the other; more than one that waits are one.
    Queue,
}

impl Missed {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Coalesce => "coalesce",
            Self::CatchUp => "catch_up",
        }
    }
}

impl Overlap {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

/// A schedule as the program lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSpec {
    /// Unique name.
    pub name: String,
    /// Kind of the job.
    pub kind: String,
    /// Queue of the job.
    pub queue: String,
    /// Priority of the job, 0 runs first, 3 last.
    pub priority: i16,
    /// Attempts of the job.
    pub max_attempts: i32,
    /// Unix cron expression, see [`Cron::parse`].
    pub cron: String,
    /// IANA name of the zone.
    pub timezone: String,
    /// Payload of the job.
    pub payload: Value,
    /// Policy for missed fires.
    pub missed: Missed,
    /// Policy for overlap.
    pub overlap: Overlap,
}

impl ScheduleSpec {
    /// A schedule of a job in UTC: missed fires coalesce, overlapping ones are skipped.
    ///
    /// # Errors
    /// [`QueueError::Encode`] when the payload cannot be written as JSON.
    pub fn of<J: Job>(name: impl Into<String>, cron: impl Into<String>, job: &J) -> Result<Self, QueueError> {
        Ok(Self {
            name: name.into(),
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            priority: J::PRIORITY,
            max_attempts: J::MAX_ATTEMPTS,
            cron: cron.into(),
            timezone: "UTC".to_owned(),
            payload: serde_json::to_value(job).map_err(|_| QueueError::Encode { kind: J::KIND })?,
            missed: Missed::Coalesce,
            overlap: Overlap::Skip,
        })
    }

    /// Sets the zone, an IANA name.
    #[must_use]
    pub fn timezone(mut self, zone: impl Into<String>) -> Self {
        self.timezone = zone.into();
        self
    }

    /// Sets the policy for missed fires.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Sets the policy for overlap.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Reads the expression and the zone.
    ///
    /// # Errors
    /// [`QueueError::Schedule`] says what is wrong.
    pub fn parse(&self) -> Result<Cron, QueueError> {
        Cron::parse(&self.cron, &self.timezone)
            .map_err(|error| QueueError::Schedule { name: self.name.clone(), reason: error.to_string() })
    }
}
