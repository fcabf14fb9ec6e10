//! Cancelling jobs.

use sqlx::PgExecutor;
use uuid::Uuid;

/// What became of a request to cancel a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun (or waited for another attempt) and is gone.
    Removed,
    /// It runs; its process has been asked to end it.
    Requested,
    /// There is no such live job, or another transaction has it locked this moment.
    NotFound,
}

/// Cancels one job: one that waits leaves the queue at once, one that runs is
/// ended by its process, wherever that is. An attempt that succeeds before it
/// hears of this has succeeded; one that fails is not tried again.
///
/// # Errors
/// Of the database.
pub async fn cancel(db: impl PgExecutor<'_>, job_id: i64, reason: &str) -> Result<Cancelled, sqlx::Error> {
    let reason = crate::error::storable(reason);
    let row = sqlx::query_file!("../../sql/queue/cancel.sql", job_id, reason).fetch_optional(db).await?;
    Ok(match row.as_ref().map(|row| row.was.as_str()) {
        Some("ready") => Cancelled::Removed,
        Some(_) => Cancelled::Requested,
        None => Cancelled::NotFound,
    })
}

/// The claims of a lease that are to be cancelled: (job, claim).
///
/// # Errors
/// Of the database.
pub async fn requested_cancels(db: impl PgExecutor<'_>, lease_id: Uuid) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, claims FROM tally.jobs
         WHERE cancel_requested_at IS NOT NULL AND lease_id = $1 AND state = 'claimed'",
        lease_id
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.claims)).collect())
}
