//! The history files of a tenant, and its calls wherever they are: in files
//! where they are frozen, else in the table.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::calls::{Calls, CallsBuilder};
use crate::error::HistoryError;
use crate::parquet::{self, Sums};
use crate::scan::scan_into;

#[derive(Debug, Clone, sqlx::FromRow)]
struct Registered {
    path: String,
    month_start: DateTime<Utc>,
    month_end: DateTime<Utc>,
    calls: i64,
    fingerprint_hi: i64,
    fingerprint_lo: i64,
}

/// What of a tenant's calls is in files.
#[derive(Debug, Clone)]
pub struct Archive {
    user_id: Uuid,
    frozen_before: Option<DateTime<Utc>>,
    files: Vec<Registered>,
}

impl Archive {
    /// Reads which files there are.
    ///
    /// # Errors
    /// On database errors.
    pub async fn load(connection: &mut PgConnection, user_id: Uuid) -> Result<Archive, HistoryError> {
        let frozen_before = sqlx::query_scalar("SELECT frozen_before FROM tally.history_horizons WHERE user_id = $1")
            .bind(user_id)
            .fetch_optional(&mut *connection)
            .await?;
        let files =
            sqlx::query_as(include_str!("../../../sql/history/files.sql")).bind(user_id).fetch_all(connection).await?;
        Ok(Archive { user_id, frozen_before, files })
    }

    /// Whether any call is in a file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// At most how many calls of a range are in files.
    pub fn calls_at_most(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        self.overlapping(from, to).map(|file| file.calls).sum()
    }

    /// The calls with `from` ≤ `started_at` < `to`, from files and table.
    ///
    /// Must run inside a transaction, as [`crate::scan`], and leaves the connection
    /// like that after an error.
    ///
    /// # Errors
    /// As [`crate::scan`]; and when a file cannot be read or is not the one that
    /// was registered.
    pub async fn scan(
        &self,
        tx: &mut PgConnection,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Calls, HistoryError> {
        let mut builder = CallsBuilder::default();
        for file in self.overlapping(from, to) {
            let (path, user_id) = (PathBuf::from(&file.path), self.user_id);
            let sums =
                Sums { calls: file.calls, fingerprint_hi: file.fingerprint_hi, fingerprint_lo: file.fingerprint_lo };
            let range = (from.timestamp_micros(), to.timestamp_micros());
            let reading = tokio::task::spawn_blocking(move || parquet::read_into(builder, &path, user_id, sums, range));
            builder = reading.await.map_err(|_| HistoryError::Interrupted)??;
        }
        let live = self.frozen_before.map_or(from, |frozen| from.max(frozen));
        scan_into(builder, tx, self.user_id, live, to.max(live)).await
    }

    fn overlapping(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> impl Iterator<Item = &Registered> {
        self.files.iter().filter(move |file| file.month_start < to && from < file.month_end)
    }
}
