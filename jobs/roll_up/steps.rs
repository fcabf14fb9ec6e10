//! The steps of one recomputation, each a statement of its own or a few.
//!
//! They are public so that the soak can put them together wrongly and show that
//! it notices; [`super::run_unit`] is the only right order.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool};
use tallyline_queue::{Span, TraceContext, span};
use uuid::Uuid;

use super::{Options, Tier};

/// Buckets of one tier, in parallel arrays as the statements take them.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    pub user_ids: Vec<Uuid>,
    pub starts: Vec<DateTime<Utc>>,
    /// What the buckets' generation becomes by being recomputed; empty before they are locked.
    pub generations: Vec<i64>,
    /// Failures since the last recomputation; empty before they are locked.
    pub failures: Vec<i32>,
}

impl Buckets {
    pub fn len(&self) -> usize {
        self.user_ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.user_ids.is_empty()
    }

    /// The first and the second half, to be locked anew.
    pub(super) fn halves(&self) -> [Buckets; 2] {
        let (left_users, right_users) = self.user_ids.split_at(self.len() / 2);
        let (left_starts, right_starts) = self.starts.split_at(self.len() / 2);
        [(left_users, left_starts), (right_users, right_starts)].map(|(users, starts)| Buckets {
            user_ids: users.to_vec(),
            starts: starts.to_vec(),
            ..Buckets::default()
        })
    }
}

/// Marked buckets that may be recomputed now, tenants in turn, at most `limit`.
///
/// # Errors
/// On database errors; so do all steps.
pub async fn candidates(pool: &PgPool, tier: Tier, limit: i64) -> Result<Buckets, sqlx::Error> {
    // A quarter of the batch at most for one tenant while others wait.
    let per_tenant = (limit / 4).max(1);
    let rows =
        sqlx::query_file!("../sql/rollup/candidates.sql", tier.number(), per_tenant, limit).fetch_all(pool).await?;
    let mut found = Buckets::default();
    for row in rows {
        found.user_ids.push(row.user_id);
        found.starts.push(row.bucket_start);
    }
    Ok(found)
}

/// Makes the lock rows of buckets that have none.
pub async fn ensure(pool: &PgPool, tier: Tier, buckets: &Buckets) -> Result<(), sqlx::Error> {
    sqlx::query_file!("../sql/rollup/ensure_buckets.sql", &buckets.user_ids, tier.number(), &buckets.starts)
        .execute(pool)
        .await?;
    Ok(())
}

/// Locks those buckets that nobody else holds, at most `limit`, and keeps their tenants' zones as they are.
pub async fn lock(tx: &mut PgConnection, tier: Tier, candidates: &Buckets, limit: i64) -> Result<Buckets, sqlx::Error> {
    let rows = sqlx::query_file!(
        "../sql/rollup/lock_buckets.sql",
        &candidates.user_ids,
        tier.number(),
        &candidates.starts,
        limit
    )
    .fetch_all(tx)
    .await?;
    let mut locked = Buckets::default();
    for row in rows {
        locked.user_ids.push(row.user_id);
        locked.starts.push(row.bucket_start);
        locked.generations.push(row.generation);
        locked.failures.push(row.failures);
    }
    Ok(locked)
}

/// Takes the marks of locked buckets; returns the database's time. What the transaction
/// marks from here on carries the trace of the unit, which is linked to those of the marks.
pub async fn consume_marks(tx: &mut PgConnection, tier: Tier, locked: &Buckets) -> Result<DateTime<Utc>, sqlx::Error> {
    let taken = sqlx::query_file!("../sql/rollup/consume_marks.sql", &locked.user_ids, tier.number(), &locked.starts)
        .fetch_one(&mut *tx)
        .await?;
    metrics::counter!("tallyline_rollup_marks_consumed_total", "tier" => tier.as_str())
        .increment(u64::try_from(taken.marks).unwrap_or(0));
    if let Some(seconds) = taken.oldest_seconds {
        metrics::histogram!("tallyline_rollup_mark_age_seconds", "tier" => tier.as_str()).record(seconds);
    }
    if let Some(span) = Span::current() {
        taken.traces.iter().filter_map(|trace| TraceContext::parse(trace)).for_each(|cause| span.link(cause));
    }
    span::carry_in(tx).await?;
    Ok(taken.now)
}

/// Makes the rows of locked buckets equal to what lies below them, and removes
/// those under which nothing is left.
pub async fn replace(tx: &mut PgConnection, tier: Tier, locked: &Buckets) -> Result<(), sqlx::Error> {
    match tier {
        Tier::Quarter => replace_quarters(tx, locked).await,
        _ => replace_local(tx, tier, locked).await,
    }
}

/// Rows that lie below each locked bucket, as far as they tell its cost: the
/// calls of a quarter. Buckets of the other tiers cost about the same.
pub async fn weights(tx: &mut PgConnection, tier: Tier, locked: &Buckets) -> Result<Vec<i64>, sqlx::Error> {
    if tier != Tier::Quarter {
        return Ok(vec![1; locked.len()]);
    }
    sqlx::query_file_scalar!("../sql/rollup/quarter_calls.sql", &locked.user_ids, &locked.starts).fetch_all(tx).await
}

/// Notes that locked buckets were recomputed and until when they rest.
pub async fn bump(
    tx: &mut PgConnection,
    tier: Tier,
    locked: &Buckets,
    rest_until: &[DateTime<Utc>],
) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "../sql/rollup/bump_generations.sql",
        &locked.user_ids,
        tier.number(),
        &locked.starts,
        &locked.generations,
        rest_until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Marks the buckets of the next tier that hold the locked ones.
pub async fn mark_parents(tx: &mut PgConnection, tier: Tier, locked: &Buckets) -> Result<(), sqlx::Error> {
    let Some(parent) = tier.parent() else { return Ok(()) };
    sqlx::query_file!("../sql/rollup/mark_parents.sql", &locked.user_ids, &locked.starts, i32::from(parent.number()))
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that a bucket could not be recomputed, and why; it rests for longer each time.
pub(super) async fn note_failure(
    pool: &PgPool,
    tier: Tier,
    failed: &Buckets,
    error: &str,
    rest: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "../sql/rollup/note_failure.sql",
        &failed.user_ids,
        tier.number(),
        &failed.starts,
        error,
        rest.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(())
}

async fn replace_quarters(tx: &mut PgConnection, locked: &Buckets) -> Result<(), sqlx::Error> {
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

async fn ranges(tx: &mut PgConnection, tier: Tier, locked: &Buckets) -> Result<Ranges, sqlx::Error> {
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

async fn replace_local(tx: &mut PgConnection, tier: Tier, locked: &Buckets) -> Result<(), sqlx::Error> {
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
pub async fn request_followers(tx: &mut PgConnection, user_ids: &[Uuid], options: &Options) -> Result<(), sqlx::Error> {
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
