//! `roll_up`: makes every marked bucket equal to its calls again.
//!
//! A standing drain over `tally.rollup_marks`. For each bucket, in one READ
//! COMMITTED transaction and in separate statements: lock the bucket, consume
//! its marks, recompute and replace its rows, mark the parents. The order is
//! the proof: what is read after the lock and after the marks were taken has a
//! snapshot that includes every change those marks stand for, and the lock
//! keeps an older result from overwriting a newer one.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// The tiers, in the order in which a unit works through them.
const TIERS: [Tier; 4] = [Tier::Quarter, Tier::Hour, Tier::Day, Tier::Month];

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

    fn number(self) -> i16 {
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
    /// Wait before the KPI view is refreshed after a change, for more reasons to come.
    pub kpi_debounce_seconds: u32,
    /// The same for a tenant's dashboard caches.
    pub dashboards_debounce_seconds: u32,
}

/// Locked buckets of one tier, in parallel arrays as the statements take them.
#[derive(Debug, Default)]
struct Locked {
    user_ids: Vec<Uuid>,
    starts: Vec<DateTime<Utc>>,
    generations: Vec<i64>,
}

/// Works through all tiers once; returns how many buckets were recomputed.
///
/// # Errors
/// On any database error; what was not committed is still marked.
pub async fn run_unit(pool: &PgPool, options: &Options) -> Result<usize, sqlx::Error> {
    let mut recomputed = 0;
    for tier in TIERS {
        recomputed += recompute_tier(pool, tier, options).await?;
    }
    Ok(recomputed)
}

async fn recompute_tier(pool: &PgPool, tier: Tier, options: &Options) -> Result<usize, sqlx::Error> {
    let candidates = candidates(pool, tier, options.batch_buckets * CANDIDATES_PER_BUCKET).await?;
    if candidates.user_ids.is_empty() {
        return Ok(0);
    }
    let started = Instant::now();
    sqlx::query_file!("../sql/rollup/ensure_buckets.sql", &candidates.user_ids, tier.number(), &candidates.starts)
        .execute(pool)
        .await?;

    let mut tx = pool.begin().await?;
    let locked = lock(&mut tx, tier, &candidates, options.batch_buckets).await?;
    if locked.user_ids.is_empty() {
        // Another worker holds them all; what it leaves stays marked.
        return Ok(0);
    }
    consume_marks(&mut tx, tier, &locked).await?;
    match tier {
        Tier::Quarter => replace_quarters(&mut tx, &locked).await?,
        _ => replace_local(&mut tx, tier, &locked).await?,
    }
    sqlx::query_file!(
        "../sql/rollup/bump_generations.sql",
        &locked.user_ids,
        tier.number(),
        &locked.starts,
        &locked.generations
    )
    .execute(&mut *tx)
    .await?;
    if let Some(parent) = tier.parent() {
        sqlx::query_file!(
            "../sql/rollup/mark_parents.sql",
            &locked.user_ids,
            &locked.starts,
            i32::from(parent.number())
        )
        .execute(&mut *tx)
        .await?;
    }
    if matches!(tier, Tier::Day | Tier::Month) {
        request_followers(&mut tx, &locked.user_ids, options).await?;
    }
    tx.commit().await?;

    metrics::counter!("tallyline_rollup_buckets_recomputed_total", "tier" => tier.as_str())
        .increment(locked.user_ids.len() as u64);
    metrics::histogram!("tallyline_rollup_duration_seconds", "tier" => tier.as_str())
        .record(started.elapsed().as_secs_f64());
    Ok(locked.user_ids.len())
}

async fn candidates(pool: &PgPool, tier: Tier, limit: i64) -> Result<Locked, sqlx::Error> {
    // A quarter of the batch at most for one tenant while others wait.
    let per_tenant = (limit / 4).max(1);
    let rows =
        sqlx::query_file!("../sql/rollup/candidates.sql", tier.number(), per_tenant, limit).fetch_all(pool).await?;
    let mut found = Locked::default();
    for row in rows {
        found.user_ids.push(row.user_id);
        found.starts.push(row.bucket_start);
    }
    Ok(found)
}

async fn lock(tx: &mut PgConnection, tier: Tier, candidates: &Locked, limit: i64) -> Result<Locked, sqlx::Error> {
    let rows = sqlx::query_file!(
        "../sql/rollup/lock_buckets.sql",
        &candidates.user_ids,
        tier.number(),
        &candidates.starts,
        limit
    )
    .fetch_all(tx)
    .await?;
    let mut locked = Locked::default();
    for row in rows {
        locked.user_ids.push(row.user_id);
        locked.starts.push(row.bucket_start);
        locked.generations.push(row.generation);
    }
    Ok(locked)
}

async fn consume_marks(tx: &mut PgConnection, tier: Tier, locked: &Locked) -> Result<(), sqlx::Error> {
    let taken = sqlx::query_file!("../sql/rollup/consume_marks.sql", &locked.user_ids, tier.number(), &locked.starts)
        .fetch_one(tx)
        .await?;
    metrics::counter!("tallyline_rollup_marks_consumed_total", "tier" => tier.as_str())
        .increment(u64::try_from(taken.marks).unwrap_or(0));
    if let Some(seconds) = taken.oldest_seconds {
        metrics::histogram!("tallyline_rollup_mark_age_seconds", "tier" => tier.as_str()).record(seconds);
    }
    Ok(())
}

async fn replace_quarters(tx: &mut PgConnection, locked: &Locked) -> Result<(), sqlx::Error> {
    sqlx::query_file!("../sql/rollup/quarter_delete_vanished.sql", &locked.user_ids, &locked.starts)
        .execute(&mut *tx)
        .await?;
    sqlx::query_file!("../sql/rollup/quarter_upsert.sql", &locked.user_ids, &locked.starts, &locked.generations)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Buckets with their ends and labels in the tenant's zone, in parallel arrays.
#[derive(Debug, Default)]
struct Ranges {
    user_ids: Vec<Uuid>,
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
    zones: Vec<String>,
    dates: Vec<NaiveDate>,
    hours: Vec<Option<i32>>,
    generations: Vec<i64>,
}

async fn ranges(tx: &mut PgConnection, tier: Tier, locked: &Locked) -> Result<Ranges, sqlx::Error> {
    let rows = sqlx::query_file!(
        "../sql/rollup/ranges.sql",
        &locked.user_ids,
        &locked.starts,
        i32::from(tier.number()),
        &locked.generations
    )
    .fetch_all(tx)
    .await?;
    let mut ranges = Ranges::default();
    for row in rows {
        ranges.user_ids.push(row.user_id);
        ranges.starts.push(row.bucket_start);
        ranges.ends.push(row.bucket_end);
        ranges.zones.push(row.zone);
        ranges.dates.push(row.date);
        ranges.hours.push(row.hour);
        ranges.generations.push(row.generation);
    }
    Ok(ranges)
}

async fn replace_local(tx: &mut PgConnection, tier: Tier, locked: &Locked) -> Result<(), sqlx::Error> {
    let r = ranges(tx, tier, locked).await?;
    let grain = tier.as_str();
    sqlx::query_file!("../sql/rollup/agent_delete_vanished.sql", &r.user_ids, &r.starts, &r.ends, grain)
        .execute(&mut *tx)
        .await?;
    sqlx::query_file!("../sql/rollup/user_delete_vanished.sql", &r.user_ids, &r.starts, &r.ends, grain)
        .execute(&mut *tx)
        .await?;
    // One macro for six files of one signature; each is still checked at compile time.
    macro_rules! upsert {
        ($file:literal) => {
            sqlx::query_file!(
                $file,
                &r.user_ids,
                &r.starts,
                &r.ends,
                &r.zones,
                &r.dates,
                &r.hours as &[Option<i32>],
                &r.generations
            )
            .execute(&mut *tx)
            .await?
        };
    }
    match tier {
        Tier::Quarter => {}
        Tier::Hour => {
            upsert!("../sql/rollup/hour_agent_upsert.sql");
            upsert!("../sql/rollup/hour_user_upsert.sql");
        }
        Tier::Day => {
            upsert!("../sql/rollup/day_agent_upsert.sql");
            upsert!("../sql/rollup/day_user_upsert.sql");
        }
        Tier::Month => {
            upsert!("../sql/rollup/month_agent_upsert.sql");
            upsert!("../sql/rollup/month_user_upsert.sql");
        }
    }
    Ok(())
}

/// Asks for the KPI view and the caches of the touched tenants in the same
/// transaction, last, so that the requests hold their rows only for the commit.
async fn request_followers(tx: &mut PgConnection, user_ids: &[Uuid], options: &Options) -> Result<(), sqlx::Error> {
    let mut tenants = user_ids.to_vec();
    tenants.sort_unstable();
    tenants.dedup();
    sqlx::query_file!(
        "../sql/rollup/request_followers.sql",
        &tenants,
        f64::from(options.dashboards_debounce_seconds),
        f64::from(options.kpi_debounce_seconds)
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}
