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
    /// There is no such live job.
    NotFound,
}

/// One of several jobs that were cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelledJob {
    /// Id of the job.
    pub job_id: i64,
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
    /// What became of it; never [`Cancelled::NotFound`].
    pub became: Cancelled,
}

/// Cancels one job: one that waits leaves the queue at once, one that runs is
/// ended by its process, wherever that is. An attempt that succeeds before it
/// hears of this has succeeded; one that fails is not tried again.
///
/// # Errors
/// Of the database.
pub async fn cancel(db: impl PgExecutor<'_>, job_id: i64, reason: &str) -> Result<Cancelled, sqlx::Error> {
    let jobs = run(db, &[job_id], reason, true).await?;
    Ok(jobs.first().map_or(Cancelled::NotFound, |job| job.became))
}

/// Cancels jobs, each as [`cancel`] does, in one statement. Those that are no
/// longer live, or that another transaction has locked this moment, are not
/// among the answers.
///
/// # Errors
/// Of the database.
pub async fn cancel_many(
    db: impl PgExecutor<'_>,
    job_ids: &[i64],
    reason: &str,
) -> Result<Vec<CancelledJob>, sqlx::Error> {
    run(db, job_ids, reason, false).await
}

async fn run(
    db: impl PgExecutor<'_>,
    job_ids: &[i64],
    reason: &str,
    wait: bool,
) -> Result<Vec<CancelledJob>, sqlx::Error> {
    let reason = crate::error::storable(reason);
    let rows = sqlx::query_file!("../../sql/queue/cancel.sql", job_ids, reason, wait).fetch_all(db).await?;
    let became = |was: &str| if was == "ready" { Cancelled::Removed } else { Cancelled::Requested };
    Ok(rows
        .into_iter()
        .map(|row| CancelledJob { job_id: row.job_id, tenant: row.user_id, became: became(&row.was) })
        .collect())
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
