//! One unit, from its lock to its end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tallyline_failpoints::{Point, pass};
use tokio::time::Instant;
use uuid::Uuid;

use super::{BackfillError, Method, Options, marks, scan};

/// Before a unit is looked at again whose failure was not its own.
const AGAIN: Duration = Duration::from_secs(1);

/// A unit whose row this process has locked.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) user_id: Uuid,
    pub(super) backfill_id: Uuid,
    pub(super) from_time: DateTime<Utc>,
    pub(super) to_time: DateTime<Utc>,
    attempts: i32,
    method: Method,
    limited: bool,
}

/// What a scan did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scanned {
    pub(super) calls: i64,
    pub(super) written: i32,
    pub(super) discarded: i32,
}

impl Scanned {
    fn count(self) {
        metrics::counter!("tallyline_backfill_calls_read_total").increment(self.calls.unsigned_abs());
        metrics::counter!("tallyline_backfill_buckets_total", "outcome" => "written")
            .increment(u64::from(self.written.unsigned_abs()));
        metrics::counter!("tallyline_backfill_buckets_total", "outcome" => "discarded")
            .increment(u64::from(self.discarded.unsigned_abs()));
    }
}

impl Unit {
    /// Charges the calls to the backfill's rate limit. Last before the commit,
    /// since it locks the backfill's row.
    pub(super) async fn spend(&self, tx: &mut PgConnection, calls: i64) -> Result<(), BackfillError> {
        if self.limited {
            sqlx::query_file!("../sql/backfill/spend.sql", self.backfill_id, calls as f64).execute(tx).await?;
        }
        Ok(())
    }
}

/// What came of a unit's transaction, before its commit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Done {
    /// Its row says so.
    Kept(Scanned),
    /// The tenant has gone, and the unit with it.
    Gone,
    /// Zone or calendar are others by now: read it again.
    Again,
}

/// Takes the next unit and does it. Its row stays locked from here to the commit,
/// so no other worker does the same, and when this process dies the server frees it.
pub(super) async fn work(pool: &PgPool, options: &Options) -> Result<usize, BackfillError> {
    let mut tx = pool.begin().await?;
    // The scan happens on another connection meanwhile.
    sqlx::query!("SET LOCAL idle_in_transaction_session_timeout = '10min'").execute(&mut *tx).await?;
    let Some(unit) = claim(&mut tx).await? else { return Ok(0) };
    pass::<sqlx::Error>(Point::BackfillClaimed)?;
    let done = match unit.method {
        Method::Marks => marks::work(&mut tx, &unit).await,
        Method::Scan => scan_and_finish(pool, &mut tx, &unit).await,
    };
    pass::<sqlx::Error>(Point::BackfillBeforeCommit)?;
    let ended = match done {
        Ok(Done::Kept(scanned)) => tx.commit().await.map(|()| scanned.count()).map_err(BackfillError::from),
        Ok(Done::Gone | Done::Again) => tx.rollback().await.map_err(BackfillError::from),
        Err(error) => {
            // The unit is free again before its failure is noted; a connection that
            // is broken has freed it already.
            tx.rollback().await.ok();
            Err(error)
        }
    };
    match ended {
        Ok(()) => Ok(1),
        Err(error) => failed(pool, options, &unit, error).await,
    }
}

async fn scan_and_finish(pool: &PgPool, tx: &mut PgConnection, unit: &Unit) -> Result<Done, BackfillError> {
    let started = Instant::now();
    match scan::work(pool, tx, unit).await? {
        Some(scanned) if finish(tx, unit, scanned, started.elapsed()).await? => Ok(Done::Kept(scanned)),
        Some(_) => Ok(Done::Gone),
        None => Ok(Done::Again),
    }
}

async fn claim(tx: &mut PgConnection) -> Result<Option<Unit>, BackfillError> {
    let row = sqlx::query_file!("../sql/backfill/claim_unit.sql").fetch_optional(tx).await?;
    Ok(row.map(|row| Unit {
        user_id: row.user_id,
        backfill_id: row.backfill_id,
        from_time: row.from_time,
        to_time: row.to_time,
        attempts: row.attempts,
        // The column holds nothing else.
        method: row.method.parse().unwrap_or_default(),
        limited: row.max_calls_per_second.is_some(),
    }))
}

async fn finish(
    tx: &mut PgConnection,
    unit: &Unit,
    scanned: Scanned,
    elapsed: Duration,
) -> Result<bool, BackfillError> {
    let kept = sqlx::query_file_scalar!(
        "../sql/backfill/finish_unit.sql",
        unit.user_id,
        unit.backfill_id,
        unit.from_time,
        scanned.calls,
        scanned.written,
        scanned.discarded,
        elapsed.as_secs_f64()
    )
    .fetch_optional(&mut *tx)
    .await?;
    unit.spend(tx, scanned.calls).await?;
    Ok(kept.is_some())
}

/// Notes what went wrong with a unit; the others go on. A database that cannot be
/// reached is nobody's fault and is reported to the caller.
async fn failed(pool: &PgPool, options: &Options, unit: &Unit, error: BackfillError) -> Result<usize, BackfillError> {
    let own = match blame(&error) {
        Blame::Nobody => return Err(error),
        Blame::Others => false,
        Blame::Unit => true,
    };
    let attempts = unit.attempts + i32::from(own);
    let given_up = attempts >= options.max_attempts;
    let exponent = u32::try_from(unit.attempts).unwrap_or(0).min(8);
    let wait = if own { options.retry_after * 2_u32.pow(exponent) } else { AGAIN };
    tracing::warn!(user_id = %unit.user_id, backfill_id = %unit.backfill_id, from = %unit.from_time, %error, given_up,
        "a unit of a backfill failed");
    sqlx::query_file!(
        "../sql/backfill/fail_unit.sql",
        unit.user_id,
        unit.backfill_id,
        unit.from_time,
        error.to_string(),
        wait.as_secs_f64(),
        given_up,
        i32::from(own)
    )
    .execute(pool)
    .await?;
    Ok(1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// The database is away or has no room; the same for every unit.
    Nobody,
    /// Somebody held a lock for too long, or two met.
    Others,
    Unit,
}

fn blame(error: &BackfillError) -> Blame {
    let database = match error {
        BackfillError::Database(error) => error,
        BackfillError::History(tallyline_history::HistoryError::Database(error)) => error,
        BackfillError::Interrupted => return Blame::Nobody,
        _ => return Blame::Unit,
    };
    let Some(code) = database.as_database_error().and_then(|error| error.code()) else { return Blame::Nobody };
    match code.get(..2) {
        // Connection, resources, operator's intervention, the machine.
        Some("08" | "53" | "57" | "58") => Blame::Nobody,
        // Deadlocks and serialisation; locks not to be had.
        Some("40" | "55") => Blame::Others,
        _ => Blame::Unit,
    }
}

/// Ends the backfills that have nothing left to do; returns how many.
pub(super) async fn end_backfills(pool: &PgPool) -> Result<usize, BackfillError> {
    let ended = sqlx::query_file!("../sql/backfill/finish_backfills.sql").fetch_all(pool).await?;
    for backfill in &ended {
        tracing::info!(backfill_id = %backfill.id, state = backfill.state, "backfill ended");
    }
    Ok(ended.len())
}
