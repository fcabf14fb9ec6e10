//! Rows of the roll-up tables as they are stored.

use chrono::{DateTime, NaiveDate, Utc};
use tallyline_history::{BucketFigures, BucketKey, Grain};
use uuid::Uuid;

/// A row of any of the three tables.
#[derive(Debug)]
pub(super) struct StoredRow {
    pub(super) agent_id: Option<Uuid>,
    pub(super) grain: String,
    pub(super) bucket_start: DateTime<Utc>,
    pub(super) bucket_end: DateTime<Utc>,
    pub(super) zone: Option<String>,
    pub(super) date: Option<NaiveDate>,
    pub(super) hour: Option<i32>,
    /// In the order of [`tallyline_history::COUNTERS`].
    pub(super) counters: Vec<i64>,
    pub(super) duration_values: Option<Vec<i32>>,
    pub(super) duration_counts: Option<Vec<i32>>,
    pub(super) contact_ids: Option<Vec<Uuid>>,
}

impl StoredRow {
    /// Which bucket it claims to be; none for a grain that nobody knows.
    pub(super) fn key(&self) -> Option<BucketKey> {
        let grain = Grain::ALL.into_iter().find(|grain| grain.as_str() == self.grain)?;
        Some(BucketKey { grain, start_micros: self.bucket_start.timestamp_micros(), agent_id: self.agent_id })
    }

    /// The figures in the form in which history computes them.
    pub(super) fn figures(&self) -> BucketFigures {
        let mut figures = BucketFigures::default();
        for (counter, stored) in figures.counters.iter_mut().zip(&self.counters) {
            *counter = *stored;
        }
        for contact_id in self.contact_ids.iter().flatten() {
            figures.add_contact(*contact_id);
        }
        let values = self.duration_values.iter().flatten();
        for (seconds, calls) in values.zip(self.duration_counts.iter().flatten()) {
            figures.add_duration(*seconds, i64::from(*calls));
        }
        figures
    }
}
