//! What can go wrong between the database and a figure.

use chrono::{DateTime, Utc};

use crate::wire::WireError;

/// Why history could not be read, computed or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The database refused or the connection broke.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The COPY stream does not hold what was asked for.
    #[error("COPY stream: {0}")]
    Wire(#[from] WireError),
    /// Polars refused; a mistake in this crate or a damaged file.
    #[error("data frame: {0}")]
    Frame(#[from] polars::prelude::PolarsError),
    /// The calendar rows of a zone cannot be used.
    #[error("calendar of zone {zone}: {reason}")]
    Calendar {
        /// IANA name of the zone.
        zone: String,
        /// What is wrong with its rows.
        reason: &'static str,
    },
    /// A call for which the calendar has no bucket.
    #[error("the calendar of zone {zone} does not reach {instant}")]
    OutsideCalendar {
        /// IANA name of the zone.
        zone: String,
        /// Start of the call's quarter.
        instant: DateTime<Utc>,
    },
    /// A sum does not fit the column that stores it.
    #[error("the sum {0} does not fit its column")]
    TooLarge(&'static str),
    /// The computation was cut off.
    #[error("the computation was cut off")]
    Interrupted,
    /// A file of history does not hold calls.
    #[error("history file: {0}")]
    File(&'static str),
    /// The file system refused.
    #[error("history file: {0}")]
    Io(#[from] std::io::Error),
}
