//! The independent path to the figures: calls leave Postgres by one COPY, are
//! grouped by Polars, and come out as the same counters that the roll-ups hold.
//! Nothing here shares code or SQL with the job that fills the roll-ups.

pub mod archive;
pub mod calendar;
pub mod calls;
pub mod error;
pub mod figures;
pub mod fingerprint;
pub mod list;
pub mod parquet;
pub mod rebuild;
pub mod recompute;
pub mod scan;
pub mod trends;
pub mod wire;

pub use archive::Archive;
pub use calendar::{Calendar, LocalBucket, OffsetPeriod};
pub use calls::{CallRow, Calls, CallsBuilder, Identities, Lead};
pub use error::HistoryError;
pub use figures::{BucketFigures, BucketKey, COUNTER_COUNT, COUNTERS, Figures, Grain};
pub use recompute::recompute;
pub use scan::{scan, scan_with_identities};
