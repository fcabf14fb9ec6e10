//! Looking at backfills and steering them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::BackfillError;

/// A backfill and how far it has come.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    pub id: Uuid,
    /// None: all tenants.
    pub user_id: Option<Uuid>,
    pub first_day: Option<NaiveDate>,
    pub last_day: Option<NaiveDate>,
    pub mode: String,
    pub method: String,
    /// running, paused, cancelled, done, failed.
    pub state: String,
    pub max_calls_per_second: Option<i32>,
    pub reason: String,
    pub created_at: DateTime<Utc>,
    /// Since when it runs without a pause.
    pub running_since: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub units: i64,
    pub units_done: i64,
    pub units_failed: i64,
    /// As planned.
    pub calls: i64,
    /// Of the units that are done or failed, as planned.
    pub calls_done: i64,
    /// As found when the units were worked on.
    pub calls_read: i64,
    /// By scans; what the roll-up recomputes is not counted here.
    pub buckets_written: i64,
    /// Buckets that live work had recomputed meanwhile.
    pub buckets_discarded: i64,
    /// None while it does not run, and before the first unit is done.
    pub eta_seconds: Option<f64>,
}

impl Progress {
    /// Whether nothing more will happen to it by itself.
    pub fn is_over(&self) -> bool {
        !matches!(self.state.as_str(), "running" | "paused")
    }
}

/// A unit with which something went wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    pub user_id: Uuid,
    pub from_time: DateTime<Utc>,
    pub to_time: DateTime<Utc>,
    /// `failed`, or `ready` while it is still to be tried again.
    pub state: String,
    pub attempts: i32,
    pub error: Option<String>,
}

/// What may be done with a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// No further unit begins; those under way end.
    Pause,
    /// A paused one goes on; of a failed one the failed units are tried again.
    Resume,
    /// As a pause, for good.
    Cancel,
}

impl Change {
    /// The state that it leads to, and those in which it may be asked for.
    fn states(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Change::Pause => ("paused", &["running"]),
            Change::Resume => ("running", &["paused", "failed"]),
            Change::Cancel => ("cancelled", &["running", "paused"]),
        }
    }
}

/// The newest `limit` backfills.
///
/// # Errors
/// On database errors.
pub async fn list(pool: &PgPool, limit: i64) -> Result<Vec<Progress>, BackfillError> {
    read(pool, None, limit, false).await
}

/// Those that run or are paused, at most `limit`.
///
/// # Errors
/// On database errors.
pub async fn list_open(pool: &PgPool, limit: i64) -> Result<Vec<Progress>, BackfillError> {
    read(pool, None, limit, true).await
}

async fn read(pool: &PgPool, id: Option<Uuid>, limit: i64, open: bool) -> Result<Vec<Progress>, BackfillError> {
    Ok(sqlx::query_file_as!(Progress, "../sql/backfill/progress.sql", id as Option<Uuid>, limit, open)
        .fetch_all(pool)
        .await?)
}

/// One backfill.
///
/// # Errors
/// When there is none of that id, and on database errors.
pub async fn show(pool: &PgPool, id: Uuid) -> Result<Progress, BackfillError> {
    read(pool, Some(id), 1, false).await?.pop().ok_or(BackfillError::UnknownBackfill(id))
}

/// Its units with which something went wrong, at most `limit`.
///
/// # Errors
/// On database errors.
pub async fn faults(pool: &PgPool, id: Uuid, limit: i64) -> Result<Vec<Fault>, BackfillError> {
    Ok(sqlx::query_file_as!(Fault, "../sql/backfill/failed_units.sql", id, limit).fetch_all(pool).await?)
}

/// What [`change_in`] did.
#[derive(Debug, Clone)]
pub struct Changed {
    /// None: a backfill of all tenants.
    pub tenant: Option<Uuid>,
    /// As in [`Progress::state`].
    pub before: String,
    pub after: &'static str,
}

/// Pauses, resumes or cancels, in the caller's transaction.
///
/// # Errors
/// When there is none of that id or its state does not allow it, and on database errors.
pub async fn change_in(tx: &mut PgConnection, id: Uuid, change: Change) -> Result<Changed, BackfillError> {
    let (state, from) = change.states();
    let found = sqlx::query!("SELECT user_id, state FROM tally.backfills WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(BackfillError::UnknownBackfill(id))?;
    if !from.contains(&found.state.as_str()) {
        return Err(BackfillError::NotNow(found.state));
    }
    sqlx::query_file!("../sql/backfill/set_state.sql", id, state).execute(&mut *tx).await?;
    if change == Change::Resume {
        sqlx::query_file!("../sql/backfill/retry_failed.sql", id).execute(&mut *tx).await?;
    }
    Ok(Changed { tenant: found.user_id, before: found.state, after: state })
}

/// Pauses, resumes or cancels.
///
/// # Errors
/// As [`change_in`].
pub async fn change(pool: &PgPool, id: Uuid, change: Change) -> Result<(), BackfillError> {
    let mut tx = pool.begin().await?;
    change_in(&mut tx, id, change).await?;
    tx.commit().await?;
    Ok(())
}
