//! `backfill`: figures of past days made anew.
//!
//! A standing drain over `tally.backfill_units`. A backfill is planned in one
//! transaction ([`start`]); each unit of it, a run of local days of one tenant,
//! is then done in one transaction by whoever locks its row first, the newest
//! days first. A process that is killed leaves a unit done or as it was.
//!
//! Short backfills **mark** ([`marks`]): the roll-up recomputes, and the unit is
//! done when its marks are consumed, tier by tier. Long ones **scan** ([`scan`]):
//! one COPY of the calls, all figures in memory, then a transaction that replaces
//! rows. That one cannot read the calls after it has locked the buckets, as the
//! roll-up does, so it is a compare-and-swap on the buckets' generations:
//!
//! * **T1** (REPEATABLE READ, read only) reads in one snapshot S the generations of
//!   the unit's quarters, hours and days (0 for a bucket without a lock row), the
//!   marks on them, which of them have rows, and the calls.
//! * **T2** (READ COMMITTED) locks those buckets in the order of the roll-up and
//!   reads their generations again; then the tenant's row, as the roll-up does, to
//!   see that zone and calendar are still those of S.
//!
//! Whoever writes a bucket's rows holds its lock and raises its generation in the
//! same transaction. So a bucket whose generation is still that of S has the rows
//! of S, and nobody else can write it before T2 commits: it is **written**. All
//! others are **discarded**. Why every case converges:
//!
//! 1. *A change of a call that S saw.* Its mark was in S or consumed before S. A
//!    written quarter holds the change, so the marks that S saw on it can go.
//! 2. *A change that S did not see.* Change and mark commit together, so S did not
//!    see the mark either, and T2 deletes no mark that S did not see. It is still
//!    there, or a roll-up has consumed it and raised the generation (case 3).
//! 3. *A quarter that a roll-up recomputed after S* is discarded: what it holds is
//!    newer. That roll-up marked the hour after S, so T2 leaves this mark alone and
//!    an hour written from S stays marked; or that mark was consumed too, and the
//!    hour's generation was raised (case 4). The same holds for the day above.
//! 4. *An hour or day that was recomputed after S* is discarded. It may have been
//!    put together from quarters that T2 replaces, so T2 **marks it**, and it is put
//!    together again from what T2 committed.
//! 5. *A roll-up that begins during T2* passes the locked buckets over. One that is
//!    under way when T2 wants its locks is waited for, and then is case 3 or 4.
//! 6. *Months* read days without a lock on them. T2 marks them, and the mark
//!    becomes visible together with the days.
//! 7. *The tenant's zone or the calendar changed after S*: nothing is written, and
//!    the unit is read again. Where it changed and changed back, rows that were made
//!    meanwhile raised generations, and what T2 writes is of the right zone.
//! 8. *Two scans of the same buckets*: the second finds raised generations.
//! 9. *The tenant is deleted*: its units go with it. T2 finds no row to finish and
//!    commits nothing.
//!
//! In each case a bucket that differs from its calls when T2 commits bears a mark,
//! or a bucket below it does; the roll-up does the rest. The unit's new state
//! commits with all of that: killed before, it is done again; killed after, not.

mod control;
mod marks;
mod plan;
mod scan;
mod unit;

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

pub use control::{Change, Changed, Fault, Progress, change, change_in, faults, list, list_open, show};
pub use plan::{ASSUMED_CALLS_PER_SECOND, Plan, Prepared, Request, UNIT_CALLS, prepare, preview, start};

/// Which days of the range are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Those with calls whose rows are missing.
    Missing,
    /// Those whose rows differ from the calls in number or fingerprint.
    Stale,
    /// All with calls or rows.
    All,
}

/// How a unit is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the roll-up.
    #[default]
    Marks,
    /// By one scan of the calls.
    Scan,
}

impl Mode {
    /// As it is stored and typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Missing => "missing",
            Mode::Stale => "stale",
            Mode::All => "all",
        }
    }
}

impl Method {
    /// As it is stored and typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Marks => "marks",
            Method::Scan => "scan",
        }
    }
}

/// A word that is none of those expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord(&'static str);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for UnknownWord {}

impl FromStr for Mode {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Mode::Missing, Mode::Stale, Mode::All]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(UnknownWord("missing, stale or all"))
    }
}

impl FromStr for Method {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Method::Marks, Method::Scan]
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or(UnknownWord("marks or scan"))
    }
}

/// Why a backfill could not be planned, changed or worked on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    History(#[from] tallyline_history::HistoryError),
    #[error("there is no tenant {0}")]
    UnknownTenant(Uuid),
    #[error("there is no backfill {0}")]
    UnknownBackfill(Uuid),
    #[error("the backfill is {0}")]
    NotNow(String),
    /// The tenant has gone, or its calendar does not reach there.
    #[error("the tenant has no such days")]
    NoSuchDays,
    /// A start beyond what a time can be.
    #[error("{0} microseconds are no time")]
    NoTime(i64),
    /// The process shuts down.
    #[error("the computation was cut off")]
    Interrupted,
}

/// How units are worked on.
#[derive(Debug, Clone)]
pub struct Options {
    /// A unit waits while the oldest event or mark is older than this…
    pub yield_lag: Duration,
    /// …but not longer than this: marks that a fault keeps from being consumed
    /// make a backfill slow and do not stop it.
    pub yield_longest: Duration,
    /// Failures of a unit after which it is given up.
    pub max_attempts: i32,
    /// Before the second attempt; doubled for each further one.
    pub retry_after: Duration,
}

/// What a worker knows from one unit to the next.
#[derive(Debug, Default)]
pub struct Pause {
    /// Since when live work is given way.
    since: Mutex<Option<Instant>>,
}

impl Pause {
    /// Whether to give way once more, `lagging` being whether live work is behind.
    fn gives_way(&self, lagging: bool, longest: Duration) -> bool {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if !lagging || since.is_some_and(|since| since.elapsed() >= longest) {
            *since = None;
            return false;
        }
        since.get_or_insert_with(Instant::now);
        true
    }
}

/// Works on one unit of a running backfill, if there is one that may be begun;
/// returns how many units went forward.
///
/// # Errors
/// When the database cannot be asked. What is wrong with a unit is noted there
/// and is no error.
pub async fn run_unit(pool: &PgPool, options: &Options, pause: &Pause) -> Result<usize, BackfillError> {
    let running =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM tally.backfills WHERE state = 'running') AS "running!""#)
            .fetch_one(pool)
            .await?;
    if !running {
        return Ok(0);
    }
    let advanced = marks::advance(pool).await?;
    let ended = unit::end_backfills(pool).await?;
    if advanced + ended > 0 {
        return Ok(advanced + ended);
    }
    let lag = sqlx::query_file_scalar!("../sql/backfill/lag.sql").fetch_one(pool).await?;
    if pause.gives_way(lag.is_some_and(|seconds| seconds > options.yield_lag.as_secs_f64()), options.yield_longest) {
        return Ok(0);
    }
    unit::work(pool, options).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn live_work_goes_first_but_not_for_ever() {
        let (pause, longest) = (Pause::default(), Duration::from_secs(30));
        assert!(!pause.gives_way(false, longest));
        assert!(pause.gives_way(true, longest));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(pause.gives_way(true, longest));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!pause.gives_way(true, longest), "one unit all the same");
        assert!(pause.gives_way(true, longest), "and then it waits again");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for mode in [Mode::Missing, Mode::Stale, Mode::All] {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        for method in [Method::Marks, Method::Scan] {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        assert!("everything".parse::<Mode>().is_err());
    }
}
