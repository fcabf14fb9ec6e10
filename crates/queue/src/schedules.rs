//! Schedules as an operator meets them: what there is, when it fires next, what
//! became of the last fires; pause, resume, run now.
//!
//! What changes something takes the connection of the caller's transaction, so
//! that a record of who did it can be part of it. A process that starts writes
//! the schedules of its configuration, but leaves pauses alone.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};

use crate::{
    error::{QueueError, storable},
    fire::{Held, coalesce_key, read_cron, wrong},
    policy::Overlap,
};

/// Fires to come that are shown.
const UPCOMING: usize = 5;

/// A schedule as it lies in the database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// Kind of its job.
    #[serde(rename = "job")]
    pub kind: String,
    /// Queue of its job.
    pub queue: String,
    /// Priority of its job, 0 runs first, 3 last.
    pub priority: i16,
    /// Attempts of its job.
    pub max_attempts: i32,
    /// Cron expression.
    pub cron: String,
    /// IANA zone.
    pub timezone: String,
    /// Payload of its job.
    pub payload: Value,
    /// See [`Missed`](crate::Missed).
    pub missed: String,
    /// Most missed fires that are caught up.
    pub catch_up_max: Option<i32>,
    /// Greatest age of a missed fire that is caught up.
    pub catch_up_within_seconds: Option<i32>,
    /// See [`Overlap`].
    pub overlap: String,
    /// See [`Gap`](crate::Gap).
    pub gap: String,
    /// See [`Fold`](crate::Fold).
    pub fold: String,
    /// Greatest delay of the job after its time, itself excluded.
    pub jitter_seconds: i32,
    /// Since when it is paused; `None` when it is not.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub paused_reason: Option<String>,
    /// When it is due next, or has been due since; `None` when never.
    pub next_fire_at: Option<DateTime<Utc>>,
    /// When it last came due.
    pub last_fire_at: Option<DateTime<Utc>>,
    /// `enqueued`, `skipped_missed`, `skipped_overlap` or `skipped_paused`.
    pub last_outcome: Option<String>,
    /// The job of that fire.
    pub last_job_id: Option<i64>,
    /// The time of the database.
    pub now: DateTime<Utc>,
}

/// A schedule and when it fires next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScheduleView {
    /// Its row.
    #[serde(flatten)]
    pub row: ScheduleRow,
    /// The next fires, in order; of a paused one those that a resumption now would leave.
    pub upcoming: Vec<DateTime<Utc>>,
    /// Why it cannot fire, if that is so.
    pub problem: Option<String>,
}

/// A fire, and what became of its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FireView {
    /// Its number in the ledger.
    pub fire_id: i64,
    /// The time it belongs to; of a run by hand, when that was.
    pub fire_at: DateTime<Utc>,
    /// When it was entered into the ledger.
    pub fired_at: DateTime<Utc>,
    /// Whether it was run by hand.
    pub manual: bool,
    /// `enqueued`, `skipped_missed`, `skipped_overlap` or `skipped_paused`.
    pub outcome: String,
    /// Its job; that of other fires too if they were joined.
    pub job_id: Option<i64>,
    /// `waiting`, `running`, `retrying` (waits for its next attempt), `dead`, else the
    /// outcome of its last attempt: `succeeded` …; `None` without a job, or when its
    /// history is past its retention.
    pub job_state: Option<String>,
    /// The last error of the job, or why it is dead.
    pub job_error: Option<String>,
    /// When its last attempt ended; `None` while it lives.
    pub job_finished_at: Option<DateTime<Utc>>,
}

/// What became of the order to run a schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunNow {
    /// Its job was enqueued, or joined to the one that waits.
    Enqueued {
        /// The job.
        job_id: i64,
    },
    /// An earlier job lives, and the schedule's policy for overlap is to skip. Nothing was done.
    StillLives {
        /// That job; `None` when it ended this moment.
        job_id: Option<i64>,
    },
}

/// All schedules by name, with their next fires.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn list(pool: &PgPool) -> Result<Vec<ScheduleView>, QueueError> {
    read(pool, None).await
}

/// One schedule.
///
/// # Errors
/// [`QueueError::Database`], [`QueueError::UnknownSchedule`].
pub async fn show(pool: &PgPool, name: &str) -> Result<ScheduleView, QueueError> {
    match read(pool, Some(name)).await?.pop() {
        Some(schedule) => Ok(schedule),
        None => Err(unknown(&mut *pool.acquire().await?, name).await?),
    }
}

/// The newest fires of a schedule, at most `limit`, the newest first.
///
/// # Errors
/// [`QueueError::Database`], [`QueueError::UnknownSchedule`] when there is neither
/// the schedule nor a fire of it.
pub async fn history(pool: &PgPool, name: &str, limit: i64) -> Result<Vec<FireView>, QueueError> {
    let fires = sqlx::query_file_as!(FireView, "../../sql/queue/schedule_history.sql", name, limit.max(0))
        .fetch_all(pool)
        .await?;
    if fires.is_empty() {
        show(pool, name).await?;
    }
    Ok(fires)
}

/// Fires it no more until it is resumed. Returns whether that changes anything.
///
/// # Errors
/// [`QueueError::Database`], [`QueueError::UnknownSchedule`].
pub async fn pause(conn: &mut PgConnection, name: &str, reason: &str) -> Result<bool, QueueError> {
    let paused = sqlx::query_scalar!(
        "UPDATE tally.schedules SET paused = true, paused_at = now(), paused_reason = $2
         WHERE name = $1 AND NOT paused RETURNING name",
        name,
        storable(reason)
    )
    .fetch_optional(&mut *conn)
    .await?;
    if paused.is_none() {
        exists(conn, name).await?;
    }
    Ok(paused.is_some())
}

/// Fires it again, from its next time on: what came due before and was not fired is
/// entered as `skipped_paused`, whatever the policy for missed fires. Returns the
/// number of these; `None` when it was not paused.
///
/// # Errors
/// [`QueueError::Database`], [`QueueError::UnknownSchedule`], [`QueueError::Schedule`]
/// when its expression cannot be read.
pub async fn resume(conn: &mut PgConnection, name: &str) -> Result<Option<usize>, QueueError> {
    let mut tx = conn.begin().await?;
    let held = hold(&mut tx, name).await?;
    let resumed = sqlx::query_scalar!(
        "UPDATE tally.schedules SET paused = false, paused_at = NULL, paused_reason = NULL
         WHERE name = $1 AND paused RETURNING name",
        name
    )
    .fetch_optional(&mut *tx)
    .await?;
    let passed_by = match resumed {
        Some(_) => Some(held.pass_by(name, &mut tx).await?.times.len()),
        None => None,
    };
    tx.commit().await?;
    Ok(passed_by)
}

/// Runs it now, paused or not, and enters that into the ledger. An earlier job that
/// lives counts as the schedule says; with `forced` the new one runs beside it.
///
/// # Errors
/// [`QueueError::Database`], [`QueueError::UnknownSchedule`].
pub async fn run_now(conn: &mut PgConnection, name: &str, forced: bool) -> Result<RunNow, QueueError> {
    let mut tx = conn.begin().await?;
    let held = hold(&mut tx, name).await?;
    let overlap = match forced {
        true => Overlap::Allow,
        false => held.overlap.parse().map_err(|error| wrong(name, error))?,
    };
    let Some(job_id) = held.enqueue(name, overlap, held.now, &mut tx).await? else {
        let job_id = sqlx::query_scalar!(
            "SELECT id FROM tally.jobs WHERE kind = $1 AND user_id IS NULL AND coalesce_key = $2",
            held.kind,
            coalesce_key(name)
        )
        .fetch_optional(&mut *tx)
        .await?;
        return Ok(RunNow::StillLives { job_id });
    };
    sqlx::query!(
        "INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at, manual)
         VALUES ($1, now(), $2, 'enqueued', now(), true)",
        name,
        job_id
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(RunNow::Enqueued { job_id })
}

async fn read(pool: &PgPool, name: Option<&str>) -> Result<Vec<ScheduleView>, QueueError> {
    let rows = sqlx::query_file_as!(ScheduleRow, "../../sql/queue/schedule_list.sql", name).fetch_all(pool).await?;
    let views = rows.into_iter().map(|row| match upcoming(&row) {
        Ok(upcoming) => ScheduleView { row, upcoming, problem: None },
        Err(error) => ScheduleView { row, upcoming: Vec::new(), problem: Some(error.to_string()) },
    });
    Ok(views.collect())
}

fn upcoming(row: &ScheduleRow) -> Result<Vec<DateTime<Utc>>, QueueError> {
    let cron = read_cron(&row.name, [&row.cron, &row.timezone, &row.gap, &row.fold])?;
    let first = match row.next_fire_at {
        Some(_) if row.paused_at.is_some() => cron.next_after(row.now),
        next => next,
    };
    Ok(std::iter::successors(first, |last| cron.next_after(*last)).take(UPCOMING).collect())
}

async fn hold(conn: &mut PgConnection, name: &str) -> Result<Held, QueueError> {
    let held = sqlx::query_file_as!(Held, "../../sql/queue/schedule_hold.sql", name).fetch_optional(&mut *conn).await?;
    match held {
        Some(held) => Ok(held),
        None => Err(unknown(conn, name).await?),
    }
}

async fn exists(conn: &mut PgConnection, name: &str) -> Result<(), QueueError> {
    let found = sqlx::query_scalar!("SELECT name FROM tally.schedules WHERE name = $1", name)
        .fetch_optional(&mut *conn)
        .await?;
    if found.is_none() { Err(unknown(conn, name).await?) } else { Ok(()) }
}

/// The error for a name that is none, with the one that is most like it.
async fn unknown(conn: &mut PgConnection, name: &str) -> Result<QueueError, sqlx::Error> {
    let names = sqlx::query_scalar!("SELECT name FROM tally.schedules ORDER BY name").fetch_all(conn).await?;
    let changes = |other: &String| changes(name, other);
    // What has less than half in common is no slip of the finger, unless it is a part.
    let is_like = |other: &String| changes(other) * 2 < name.len().max(other.len()) || other.contains(name);
    let nearest = names.into_iter().filter(|other| !name.is_empty() && is_like(other)).min_by_key(changes);
    Ok(QueueError::UnknownSchedule { name: name.to_owned(), nearest })
}

/// Letters to be put in, left out or replaced to make one word of another.
fn changes(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (other, upper) in to.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(letter != *other)).min(left + 1).min(upper + 1);
            diagonal = *upper;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn changes_are_counted() {
        let words =
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("nightly", "nightly", 0), ("flaw", "lawn", 2)];
        for (from, to, expected) in words {
            assert_eq!((changes(from, to), changes(to, from)), (expected, expected), "{from} {to}");
        }
    }
}
