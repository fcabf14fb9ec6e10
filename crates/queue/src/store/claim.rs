//! Claiming jobs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

/// What a claimer asks for.
#[derive(Debug, Clone)]
pub struct ClaimTerms {
    /// The queue to take from.
    pub queue: String,
    /// Deadlines by kind, `{"kind": seconds}`.
    pub deadlines: Value,
    /// Deadline of kinds that are not in the list.
    pub other_deadline: Duration,
}

/// A claimed job as the database gives it.
#[derive(Debug, Clone)]
pub struct ClaimedRow {
    /// Id of the job.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// The tenant it belongs to.
    pub user_id: Option<Uuid>,
    /// Key of a coalesced job.
    pub coalesce_key: Option<String>,
    /// Its payload.
    pub payload: Value,
    /// 0 runs first, 3 last.
    pub priority: i16,
    /// When it was due.
    pub run_at: DateTime<Utc>,
    /// Number of this attempt, 1 is the first.
    pub attempt: i32,
    /// Number of this claim; the fence.
    pub claims: i64,
    /// Attempts before it becomes a dead letter.
    pub max_attempts: i32,
    /// W3C `traceparent` of whoever enqueued it.
    pub trace: Option<String>,
    /// From due to claimed.
    pub wait_seconds: f64,
}

/// Claims up to `limit` due jobs for a lease, best first. Nothing is claimed
/// for a lease that ended or from a paused queue.
///
/// # Errors
/// Of the database. The claim may have happened all the same: see [`release_unknown`].
pub async fn claim(
    db: impl PgExecutor<'_>,
    terms: &ClaimTerms,
    lease_id: Uuid,
    limit: usize,
) -> Result<Vec<ClaimedRow>, sqlx::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = sqlx::query_file_as!(
        ClaimedRow,
        "../../sql/queue/claim.sql",
        terms.queue,
        lease_id,
        limit,
        terms.deadlines,
        terms.other_deadline.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    rows.sort_by_key(|row| (row.priority, row.run_at, row.id));
    Ok(rows)
}

/// Time until the next job of a queue is due: zero when one is due now, `None`
/// when none waits or the queue is paused.
///
/// # Errors
/// Of the database.
pub async fn next_due(db: impl PgExecutor<'_>, queue: &str) -> Result<Option<Duration>, sqlx::Error> {
    let row = sqlx::query_file!("../../sql/queue/next_due.sql", queue).fetch_one(db).await?;
    Ok(row.seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
}

/// Gives back what a lease holds in a queue without knowing it, because the
/// answer to a claim got lost. `known` are the jobs that it does know.
///
/// # Errors
/// Of the database.
pub async fn release_unknown(
    db: impl PgExecutor<'_>,
    queue: &str,
    lease_id: Uuid,
    known: &[i64],
) -> Result<usize, sqlx::Error> {
    let rows = sqlx::query_file!("../../sql/queue/release_unknown.sql", queue, lease_id, known).fetch_all(db).await?;
    Ok(rows.len())
}
