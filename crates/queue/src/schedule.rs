//! What a schedule is.

use serde_json::Value;

use crate::{
    cron::Cron,
    error::QueueError,
    job::Job,
    policy::{Fold, Gap, Missed, Overlap},
};

/// Jitter is at most a day.
const JITTER_GREATEST_SECONDS: i32 = 86_400;

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
    /// Of missed fires that are caught up, at most so many, the newest.
    pub catch_up_max: Option<i32>,
    /// Missed fires older than this are not caught up.
    pub catch_up_within_seconds: Option<i32>,
    /// Policy for overlap.
    pub overlap: Overlap,
    /// Policy for local times that do not exist.
    pub gap: Gap,
    /// Policy for local times that come twice.
    pub fold: Fold,
    /// The job of a fire starts later than its time by less than this, always by
    /// the same for the same name and time.
    pub jitter_seconds: i32,
}

impl ScheduleSpec {
    /// A schedule of a job in UTC without jitter: missed fires coalesce, overlapping
    /// ones are skipped.
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
            catch_up_max: None,
            catch_up_within_seconds: None,
            overlap: Overlap::Skip,
            gap: Gap::default(),
            fold: Fold::default(),
            jitter_seconds: 0,
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

    /// Sets the policy for local times that do not exist.
    #[must_use]
    pub fn gap(mut self, gap: Gap) -> Self {
        self.gap = gap;
        self
    }

    /// Sets the policy for local times that come twice.
    #[must_use]
    pub fn fold(mut self, fold: Fold) -> Self {
        self.fold = fold;
        self
    }

    /// Reads the expression and the zone, and checks the figures.
    ///
    /// # Errors
    /// [`QueueError::Schedule`] says what is wrong.
    pub fn parse(&self) -> Result<Cron, QueueError> {
        let wrong = |reason: String| QueueError::Schedule { name: self.name.clone(), reason };
        let cron = Cron::parse(&self.cron, &self.timezone).map_err(|error| wrong(error.to_string()))?;
        let bounds = [("catch_up_max", self.catch_up_max), ("catch_up_within_seconds", self.catch_up_within_seconds)];
        for (bound, value) in bounds {
            if value.is_some() && self.missed != Missed::CatchUp {
                return Err(wrong(format!("{bound} needs missed = \"catch_up\"")));
            }
            if value.is_some_and(|value| value < 1) {
                return Err(wrong(format!("{bound} must be above zero")));
            }
        }
        if !(0..=JITTER_GREATEST_SECONDS).contains(&self.jitter_seconds) {
            return Err(wrong(format!("jitter_seconds must lie between 0 and {JITTER_GREATEST_SECONDS}")));
        }
        Ok(cron.gap(self.gap).fold(self.fold))
    }
}
