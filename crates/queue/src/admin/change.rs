//! Dead letters replayed and discarded, retries brought forward, and the ways
//! to name many jobs at once.

use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{QueueError, storable};

/// Which jobs, or which dead letters. Without any of them: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// `waiting`, `delayed`, `running`, or `failing`: waits for another attempt
    /// after a failure. Of no meaning for dead letters.
    pub state: Option<&'static str>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Of this tenant.
    pub tenant: Option<Uuid>,
}

/// How many there are of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// Jobs or dead letters.
    pub jobs: i64,
}

/// A job that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its id.
    pub job_id: i64,
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
}

/// A dead letter that was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The letter, which is gone.
    pub dead_id: i64,
    /// The job that it was.
    pub job_id: i64,
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
    /// The job that does its work now: the same, or the one that lived under
    /// its key already.
    pub now_id: i64,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub job_id: i64,
    /// `waiting`, `delayed` or `running`; `None` when it does not live.
    pub live: Option<String>,
    /// Its dead letters.
    pub letters: Vec<i64>,
    /// Outcome of its last attempt, while history knows it.
    pub last_outcome: Option<String>,
}

/// How each of these jobs stands, in their order.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn standing(db: &mut PgConnection, job_ids: &[i64]) -> Result<Vec<Standing>, QueueError> {
    Ok(sqlx::query_file_as!(Standing, "../../sql/queue/jobs_standing.sql", job_ids).fetch_all(db).await?)
}

/// Puts dead letters back into their queues, due now, with all their attempts.
///
/// A job keeps its id, and its claims are counted on, so that no old report
/// fits it. A coalesced one joins the job that lives under its key, if there is
/// one. A unique key is not taken again. Letters that are gone, or that another
/// transaction has locked, are not among the answers.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn replay(db: &mut PgConnection, dead_ids: &[i64]) -> Result<Vec<Replayed>, QueueError> {
    Ok(sqlx::query_file_as!(Replayed, "../../sql/queue/letters_replay.sql", dead_ids).fetch_all(db).await?)
}

/// Removes dead letters for good; their history says so, and why.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn discard(db: &mut PgConnection, dead_ids: &[i64], reason: &str) -> Result<Vec<Changed>, QueueError> {
    let rows =
        sqlx::query_file!("../../sql/queue/letters_discard.sql", dead_ids, storable(reason)).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| Changed { job_id: row.job_id, tenant: row.tenant }).collect())
}

/// Makes those of the jobs due now that wait for their time.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn due_now(db: &mut PgConnection, job_ids: &[i64]) -> Result<Vec<Changed>, QueueError> {
    Ok(sqlx::query_file_as!(Changed, "../../sql/queue/jobs_due_now.sql", job_ids).fetch_all(db).await?)
}

/// Counts live jobs by kind.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn count_live(db: &mut PgConnection, filter: &Filter) -> Result<Vec<KindCount>, QueueError> {
    let Filter { state, kind, queue, tenant } = filter;
    let query = sqlx::query_file_as!(
        KindCount,
        "../../sql/queue/jobs_count.sql",
        *state,
        kind.as_deref(),
        queue.as_deref(),
        *tenant
    );
    Ok(query.fetch_all(db).await?)
}

/// Counts dead letters by kind.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn count_letters(db: &mut PgConnection, filter: &Filter) -> Result<Vec<KindCount>, QueueError> {
    let Filter { kind, queue, tenant, .. } = filter;
    let query = sqlx::query_file_as!(
        KindCount,
        "../../sql/queue/letters_count.sql",
        kind.as_deref(),
        queue.as_deref(),
        *tenant
    );
    Ok(query.fetch_all(db).await?)
}

/// The highest ids that there are of jobs and of dead letters: where a walk
/// over them ends that began now.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn tops(db: &mut PgConnection) -> Result<(i64, i64), QueueError> {
    let row = sqlx::query!(
        r#"SELECT coalesce((SELECT max(id) FROM tally.jobs), 0) AS "jobs!",
                  coalesce((SELECT max(dead_id) FROM tally.dead_jobs), 0) AS "letters!""#
    )
    .fetch_one(db)
    .await?;
    Ok((row.jobs, row.letters))
}

/// The next live jobs after one, up to another, in order.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn next_live(
    db: &mut PgConnection,
    filter: &Filter,
    after: i64,
    up_to: i64,
    limit: i64,
) -> Result<Vec<i64>, QueueError> {
    let Filter { state, kind, queue, tenant } = filter;
    let rows = sqlx::query_file!(
        "../../sql/queue/jobs_next.sql",
        *state,
        kind.as_deref(),
        queue.as_deref(),
        *tenant,
        after,
        up_to,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The next dead letters after one, up to another, in order.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn next_letters(
    db: &mut PgConnection,
    filter: &Filter,
    after: i64,
    up_to: i64,
    limit: i64,
) -> Result<Vec<i64>, QueueError> {
    let Filter { kind, queue, tenant, .. } = filter;
    let rows = sqlx::query_file!(
        "../../sql/queue/letters_next.sql",
        kind.as_deref(),
        queue.as_deref(),
        *tenant,
        after,
        up_to,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.dead_id).collect())
}
