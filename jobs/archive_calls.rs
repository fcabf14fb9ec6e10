//! `archive_calls`: moves months of calls that are past their retention to files.
//!
//! Month by month, oldest first, for each tenant: what the roll-ups say must be
//! what the calls come to, and the file must hold just those calls. Then, in one
//! short transaction that no change of the tenant's calls can overlap, the file
//! is registered and everything before the month's end frozen. From then on the
//! figures cannot change, and the rows are removed in batches: a run that dies
//! on the way leaves frozen calls, which the next one removes first.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tallyline_history::HistoryError;
use tallyline_history::parquet::{Metadata, MonthWriter, Sums};
use tallyline_queue::{Job, JobContext, JobError};
use uuid::Uuid;

use crate::Deps;

/// Calls removed by one transaction.
const REMOVED_AT_ONCE: i64 = 5_000;
/// Stretch of time that is read by one COPY.
const READ_AT_ONCE: TimeDelta = TimeDelta::days(1);
/// One snapshot for figures and calls.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Where files go, and when.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory; it must exist. None: the job does nothing.
    pub directory: Option<PathBuf>,
    /// Whole local months that calls are kept; 0: for ever.
    pub calls_months: i32,
}

/// Why a month did not go to a file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The database refused or the connection broke.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The calls could not be read, or do not come to what the roll-ups say.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The computation was cut off.
    #[error("the computation was cut off")]
    Interrupted,
}

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct ArchiveCalls {}

impl Job for ArchiveCalls {
    type State = Deps;
    const KIND: &'static str = "archive_calls";
    const PRIORITY: i16 = 3;

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        run(&ctx.state.pool, &ctx.state.archive).await?;
        Ok(())
    }
}

/// Archives what is due; returns how many months went to files.
///
/// # Errors
/// The first error of a tenant, after the other tenants had their turn.
pub async fn run(pool: &PgPool, options: &Options) -> Result<usize, ArchiveError> {
    let Some(directory) = options.directory.as_deref().filter(|_| options.calls_months > 0) else { return Ok(0) };
    let tenants: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM public.users ORDER BY id").fetch_all(pool).await?;
    let (mut months, mut failed) = (0, None);
    for user_id in tenants {
        match tenant(pool, user_id, directory, options.calls_months).await {
            Ok(archived) => months += archived,
            // One tenant's trouble is not another's.
            Err(error) => {
                refused("error");
                tracing::error!(%user_id, %error, "calls were not archived");
                failed = failed.or(Some(error));
            }
        }
    }
    failed.map_or(Ok(months), Err)
}

fn refused(reason: &'static str) {
    metrics::counter!("tallyline_history_months_refused_total", "reason" => reason).increment(1);
}

async fn tenant(pool: &PgPool, user_id: Uuid, directory: &Path, calls_months: i32) -> Result<usize, ArchiveError> {
    remove_frozen(pool, user_id).await?;
    let mut months = 0;
    while let Some(month) = next_month(pool, user_id, calls_months).await? {
        if !archive(pool, user_id, &month, directory).await? {
            break;
        }
        months += 1;
        remove_frozen(pool, user_id).await?;
    }
    Ok(months)
}

#[derive(Debug, sqlx::FromRow)]
struct Month {
    date: NaiveDate,
    timezone: String,
    from_time: DateTime<Utc>,
    to_time: DateTime<Utc>,
    whole: bool,
}

async fn next_month(pool: &PgPool, user_id: Uuid, calls_months: i32) -> Result<Option<Month>, sqlx::Error> {
    let statement = include_str!("../sql/history/next_month.sql");
    sqlx::query_as(statement).bind(user_id).bind(calls_months).fetch_optional(pool).await
}

/// What the roll-ups say of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    marked: bool,
    quarters: Sums,
    days: Sums,
    generations: i64,
}

async fn state(tx: &mut PgConnection, user_id: Uuid, month: &Month) -> Result<State, sqlx::Error> {
    type Row = (bool, i64, i64, i64, i64, i64, i64, i64);
    let row: Row = sqlx::query_as(include_str!("../sql/history/state.sql"))
        .bind(user_id)
        .bind(month.from_time)
        .bind(month.to_time)
        .fetch_one(tx)
        .await?;
    let (marked, calls, hi, lo, day_calls, day_hi, day_lo, generations) = row;
    let sums = |calls, fingerprint_hi, fingerprint_lo| Sums { calls, fingerprint_hi, fingerprint_lo };
    Ok(State { marked, quarters: sums(calls, hi, lo), days: sums(day_calls, day_hi, day_lo), generations })
}

/// Writes a month's file and freezes it; false when it is not its time yet.
async fn archive(pool: &PgPool, user_id: Uuid, month: &Month, directory: &Path) -> Result<bool, ArchiveError> {
    // A COPY that breaks off leaves a connection that nobody else may get.
    let mut connection = pool.acquire().await?;
    connection.close_on_drop();
    let Some((state, path)) = write(&mut connection, user_id, month, directory).await? else {
        refused("marked");
        return Ok(false);
    };
    drop(connection);
    if !freeze(pool, user_id, month, state, &path).await? {
        refused("changed");
        tallyline_history::parquet::remove(&path)?;
        return Ok(false);
    }
    let calls = state.quarters.calls;
    metrics::counter!("tallyline_history_archived_calls_total").increment(u64::try_from(calls).unwrap_or(0));
    tracing::info!(%user_id, month = %month.date, calls, path = %path.display(), "calls archived");
    Ok(true)
}

/// Writes the calls of the month, which must come to what its quarters and days
/// say; nothing while something in it is marked.
async fn write(
    connection: &mut PoolConnection<Postgres>,
    user_id: Uuid,
    month: &Month,
    directory: &Path,
) -> Result<Option<(State, PathBuf)>, ArchiveError> {
    let mut tx = connection.begin_with(BEGIN).await?;
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let state = state(&mut tx, user_id, month).await?;
    if state.marked {
        return Ok(None);
    }
    // Days of another zone than the frozen part's overlap its end.
    if month.whole && state.days != state.quarters {
        return Err(HistoryError::File("the month's days do not come to what its quarters come to").into());
    }
    let metadata = Metadata {
        user_id,
        month: month.date,
        zone: month.timezone.clone(),
        start_micros: month.from_time.timestamp_micros(),
        end_micros: month.to_time.timestamp_micros(),
        sums: state.quarters,
    };
    let mut writer = MonthWriter::create(&directory.canonicalize().map_err(HistoryError::Io)?, metadata)?;
    let mut from = month.from_time;
    while from < month.to_time {
        let to = month.to_time.min(from + READ_AT_ONCE);
        let calls = tallyline_history::scan_with_identities(&mut tx, user_id, from, to).await?;
        let writing = move || writer.write(&calls).map(|()| writer);
        writer = tokio::task::spawn_blocking(writing).await.map_err(|_| ArchiveError::Interrupted)??;
        from = to;
    }
    tx.rollback().await?;
    let path = tokio::task::spawn_blocking(move || writer.finish()).await.map_err(|_| ArchiveError::Interrupted)??;
    Ok(Some((state, path)))
}

/// Registers the file and moves the horizon, if nothing has changed meanwhile.
async fn freeze(
    pool: &PgPool,
    user_id: Uuid,
    month: &Month,
    written: State,
    path: &Path,
) -> Result<bool, ArchiveError> {
    let Some(path) = path.to_str() else { return Err(HistoryError::File("its path is no text").into()) };
    let mut tx = pool.begin().await?;
    // The lane first, as batches of events do: they would wait for the tenant
    // while this waited for their lane.
    sqlx::query(include_str!("../sql/history/lock_lane.sql")).bind(user_id).execute(&mut *tx).await?;
    let unfrozen: Option<bool> = sqlx::query_scalar(include_str!("../sql/history/lock_tenant.sql"))
        .bind(user_id)
        .bind(month.from_time)
        .fetch_optional(&mut *tx)
        .await?;
    // A statement of its own: its snapshot is taken after the lock.
    if unfrozen != Some(true) || state(&mut tx, user_id, month).await? != written {
        return Ok(false);
    }
    sqlx::query(include_str!("../sql/history/register.sql"))
        .bind(user_id)
        .bind(month.from_time)
        .bind(month.to_time)
        .bind(path)
        .bind(written.quarters.calls)
        .bind(written.quarters.fingerprint_hi)
        .bind(written.quarters.fingerprint_lo)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Removes the calls that are in files, batch by batch.
async fn remove_frozen(pool: &PgPool, user_id: Uuid) -> Result<(), sqlx::Error> {
    loop {
        let mut tx = pool.begin().await?;
        sqlx::query("SELECT set_config('tally.removing_frozen', 'on', true)").execute(&mut *tx).await?;
        let removed = sqlx::query(include_str!("../sql/history/remove_calls.sql"))
            .bind(user_id)
            .bind(REMOVED_AT_ONCE)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        metrics::counter!("tallyline_purged_rows_total", "what" => "calls").increment(removed);
        if removed == 0 {
            return Ok(());
        }
    }
}
