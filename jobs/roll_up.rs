//! `roll_up`: makes every marked bucket equal to its calls again.
//!
//! A standing drain over `tally.rollup_marks`. For each bucket, in one READ
//! COMMITTED transaction and in separate statements: lock the bucket, consume
//! its marks, recompute and replace its rows, mark the parents. The order is
//! the proof: what is read after the lock and after the marks were taken has a
//! snapshot that includes every change those marks stand for, and the lock
//! keeps an older result from overwriting a newer one.
//!
//! A bucket that was recomputed rests for some times what that cost, so that a
//! busy one takes a bounded share of the work; its marks stay and say that it is
//! behind. A bucket that cannot be recomputed rests too, and holds up no other.

mod debounce;
pub mod steps;

use std::time::Instant;

use sqlx::{PgConnection, PgPool};
use tallyline_failpoints::{Point, pass};

pub use debounce::Debounce;
use steps::Buckets;

/// The tiers, in the order in which a unit works through them.
pub const TIERS: [Tier; 4] = [Tier::Quarter, Tier::Hour, Tier::Day, Tier::Month];

/// A level of the roll-ups; the number is what `tally.rollup_marks.tier` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Quarter = 0,
    Hour = 1,
    Day = 2,
    Month = 3,
}

impl Tier {
    /// The name used in metrics and, but for the quarter, in the `grain` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Quarter => "quarter",
            Tier::Hour => "hour",
            Tier::Day => "day",
            Tier::Month => "month",
        }
    }

    /// What `tally.rollup_marks.tier` holds.
    pub fn number(self) -> i16 {
        self as i16
    }

    fn parent(self) -> Option<Tier> {
        match self {
            Tier::Quarter => Some(Tier::Hour),
            Tier::Hour => Some(Tier::Day),
            Tier::Day => Some(Tier::Month),
            Tier::Month => None,
        }
    }
}

/// Candidates looked at for each bucket that a transaction takes: what other
/// workers hold is passed over, so this many workers can share a tier.
const CANDIDATES_PER_BUCKET: i64 = 4;

/// What one unit may do at most.
#[derive(Debug, Clone)]
pub struct Options {
    /// Buckets recomputed by one transaction.
    pub batch_buckets: i64,
    /// How long a bucket rests after it was recomputed.
    pub debounce: Debounce,
    /// Wait before the KPI view is refreshed after a change, for more reasons to come.
    pub kpi_debounce_seconds: u32,
    /// The same for a tenant's dashboard caches.
    pub dashboards_debounce_seconds: u32,
}

/// Nothing rests and nothing waits for more reasons: for who drains the marks to their end.
impl Default for Options {
    fn default() -> Self {
        Options {
            batch_buckets: 200,
            debounce: Debounce::NONE,
            kpi_debounce_seconds: 0,
            dashboards_debounce_seconds: 0,
        }
    }
}

/// Works through all tiers once; returns how many buckets were recomputed.
///
/// # Errors
/// On any database error that is not the fault of one bucket's data; what was
/// not committed is still marked.
pub async fn run_unit(pool: &PgPool, options: &Options) -> Result<usize, sqlx::Error> {
    let mut recomputed = 0;
    for tier in TIERS {
        let candidates = steps::candidates(pool, tier, options.batch_buckets * CANDIDATES_PER_BUCKET).await?;
        recomputed += recompute(pool, tier, candidates, options).await?;
    }
    Ok(recomputed)
}

/// A transaction that its data make fail is halved until the bucket at fault is
/// alone; that one is noted and rests. Returns how many were recomputed.
async fn recompute(pool: &PgPool, tier: Tier, candidates: Buckets, options: &Options) -> Result<usize, sqlx::Error> {
    let mut recomputed = 0;
    let mut parts = vec![candidates];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match transaction(pool, tier, &part, options).await {
            Ok(buckets) => recomputed += buckets,
            Err(Failure { locked, error }) if is_fault_of_data(&error) && locked.len() == 1 => {
                note_failure(pool, tier, &locked, &error).await?;
            }
            Err(Failure { locked, error }) if is_fault_of_data(&error) && locked.len() > 1 => {
                parts.extend(locked.halves());
            }
            Err(failure) => return Err(failure.error),
        }
    }
    Ok(recomputed)
}

/// A transaction that failed, and the buckets that it had locked.
struct Failure {
    locked: Buckets,
    error: sqlx::Error,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure { locked: Buckets::default(), error }
    }
}

async fn transaction(pool: &PgPool, tier: Tier, candidates: &Buckets, options: &Options) -> Result<usize, Failure> {
    let started = Instant::now();
    steps::ensure(pool, tier, candidates).await?;
    // Said in words, since a default of the database or the role could be another.
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let locked = steps::lock(&mut tx, tier, candidates, options.batch_buckets).await?;
    if locked.is_empty() {
        // Another worker holds them all; what it leaves stays marked.
        return Ok(0);
    }
    pass::<sqlx::Error>(Point::RollUpLocked)?;
    if let Err(error) = recompute_locked(&mut tx, tier, &locked, options).await {
        // Waited for: dropped, it would let go of the buckets at some later time, and
        // the halves of the batch would be passed by as somebody else's.
        tx.rollback().await?;
        return Err(Failure { locked, error });
    }
    tx.commit().await?;
    pass::<sqlx::Error>(Point::RollUpAfterCommit)?;
    metrics::counter!("tallyline_rollup_buckets_recomputed_total", "tier" => tier.as_str())
        .increment(locked.len() as u64);
    metrics::histogram!("tallyline_rollup_duration_seconds", "tier" => tier.as_str())
        .record(started.elapsed().as_secs_f64());
    Ok(locked.len())
}

/// The rest of the protocol: consume, recompute, mark the parents.
async fn recompute_locked(
    tx: &mut PgConnection,
    tier: Tier,
    locked: &Buckets,
    options: &Options,
) -> Result<(), sqlx::Error> {
    let consumed_at = steps::consume_marks(tx, tier, locked).await?;
    pass::<sqlx::Error>(Point::RollUpConsumed)?;
    let began = Instant::now();
    steps::replace(tx, tier, locked).await?;
    pass::<sqlx::Error>(Point::RollUpReplaced)?;
    let weights = steps::weights(tx, tier, locked).await?;
    let rest_until = options.debounce.rest_until(consumed_at, began.elapsed(), &weights);
    steps::bump(tx, tier, locked, &rest_until).await?;
    steps::mark_parents(tx, tier, locked).await?;
    if matches!(tier, Tier::Day | Tier::Month) {
        steps::request_followers(tx, &locked.user_ids, options).await?;
    }
    pass(Point::RollUpBeforeCommit)
}

async fn note_failure(pool: &PgPool, tier: Tier, failed: &Buckets, error: &sqlx::Error) -> Result<(), sqlx::Error> {
    let failures = failed.failures.first().copied().unwrap_or(0).saturating_add(1);
    let rest = debounce::rest_after_failures(failures);
    // The message of a constraint names values of its row; the code and the name do not.
    let reason = describe(error);
    tracing::error!(tier = tier.as_str(), user_id = ?failed.user_ids.first(), bucket_start = ?failed.starts.first(),
        failures, reason, rest_seconds = rest.as_secs(), "a bucket cannot be recomputed and rests");
    metrics::counter!("tallyline_rollup_bucket_failures_total", "tier" => tier.as_str()).increment(1);
    steps::note_failure(pool, tier, failed, &reason, rest).await
}

fn describe(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => {
            let code = database.code().unwrap_or_default();
            match database.constraint() {
                Some(constraint) => format!("SQLSTATE {code}, {constraint}"),
                None => format!("SQLSTATE {code}"),
            }
        }
        None => "no answer of the database".to_owned(),
    }
}

/// Whether to repeat it would fail again: data (22), constraints (23), raised
/// (P0), limits (54), and statements that took too long (57014). The rest passes by itself.
fn is_fault_of_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| code == "57014" || ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class)))
}
