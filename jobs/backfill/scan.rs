//! Units by scan: read, compute, compare and swap. The proof is in [`super`].

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tallyline_history::rebuild::{self, Rows};
use tallyline_history::{Archive, Calendar, Calls, Grain};
use uuid::Uuid;

use super::BackfillError;
use super::unit::{Scanned, Unit};

/// T1 sees marks, generations, rows and calls as of one moment.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// The grains that a scan writes; months are put together from days.
const WRITTEN: [Grain; 3] = [Grain::Quarter, Grain::Hour, Grain::Day];

/// A bucket, ordered as the locks are: tier, then start in microseconds.
type Bucket = (i16, i64);

/// What T1 saw.
struct Snapshot {
    zone: String,
    calendar_digest: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Of buckets that have a lock row.
    generations: HashMap<Bucket, i64>,
    /// Buckets that have rows or marks.
    used: Vec<Bucket>,
    marks: Vec<(i64, Bucket)>,
    calendar: Calendar,
    calls: Calls,
}

/// What is to be written and where.
struct Swap {
    rows: Rows,
    calls: i64,
    /// Every bucket of the unit that has calls, rows or marks, with the generation
    /// that T1 saw; in the order in which they are locked.
    buckets: BTreeMap<Bucket, i64>,
    marks: Vec<(i64, Bucket)>,
}

/// Buckets in parallel arrays, as the statements take them.
#[derive(Debug, Default)]
struct Buckets {
    tiers: Vec<i16>,
    starts: Vec<DateTime<Utc>>,
    generations: Vec<i64>,
}

/// Does a unit whose row `tx` holds: reads on a connection of its own, writes in
/// `tx`. None when the tenant's zone or calendar changed in between: nothing is
/// written then, and the unit is to be read again.
pub(super) async fn work(pool: &PgPool, tx: &mut PgConnection, unit: &Unit) -> Result<Option<Scanned>, BackfillError> {
    let snapshot = read(pool, unit).await?;
    let (zone, digest) = (snapshot.zone.clone(), snapshot.calendar_digest.clone());
    let (from, to) = (snapshot.from, snapshot.to);
    let swap =
        tokio::task::spawn_blocking(move || compute(snapshot)).await.map_err(|_| BackfillError::Interrupted)??;
    let all = Buckets::of(swap.buckets.keys().copied())?;
    // By itself, so that nobody who makes the same rows waits for this transaction.
    sqlx::query_file!("../sql/backfill/ensure_buckets.sql", unit.user_id, &all.tiers, &all.starts)
        .execute(pool)
        .await?;

    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    // From here on it holds what the roll-up wants; a frozen process must not for long.
    sqlx::query!("SET LOCAL idle_in_transaction_session_timeout = '1min'").execute(&mut *tx).await?;
    let (written, discarded) = lock(tx, unit.user_id, &all, &swap).await?;
    sqlx::query_file!("../sql/backfill/hold_tenant.sql", unit.user_id).fetch_optional(&mut *tx).await?;
    let now = sqlx::query_file!("../sql/backfill/calendar_digest.sql", unit.user_id, from, to)
        .fetch_optional(&mut *tx)
        .await?;
    if now.is_none_or(|now| now.zone != zone || now.digest != digest) {
        return Ok(None);
    }
    write(tx, unit.user_id, &zone, &swap, &written).await?;
    leave_marks(tx, unit.user_id, &swap, &written, &discarded).await?;
    sqlx::query_file!("../sql/backfill/mark_months.sql", unit.user_id, zone, from, to).execute(&mut *tx).await?;
    let count = |buckets: &Buckets| i32::try_from(buckets.tiers.len()).unwrap_or(i32::MAX);
    Ok(Some(Scanned { calls: swap.calls, written: count(&written), discarded: count(&discarded) }))
}

/// T1.
async fn read(pool: &PgPool, unit: &Unit) -> Result<Snapshot, BackfillError> {
    let mut connection = pool.acquire().await?;
    // A COPY that breaks off, or is dropped with this future, leaves a connection
    // that nobody else may get.
    connection.close_on_drop();
    let mut tx = connection.begin_with(BEGIN).await?;
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let user_id = unit.user_id;
    // The days are those of the tenant's present zone, whatever it was when they were planned.
    let range = sqlx::query_file!("../sql/backfill/range.sql", user_id, unit.from_time, unit.to_time)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(BackfillError::NoSuchDays)?;
    let (from, to) = (range.from_time, range.to_time);
    let calendar_digest =
        sqlx::query_file!("../sql/backfill/calendar_digest.sql", user_id, from, to).fetch_one(&mut *tx).await?.digest;
    let calendar = Calendar::load(&mut tx, &range.zone).await?;
    let (mut generations, mut used) = (HashMap::new(), Vec::new());
    for row in sqlx::query_file!("../sql/backfill/buckets.sql", user_id, from, to).fetch_all(&mut *tx).await? {
        let bucket = (i16::try_from(row.tier).unwrap_or(0), row.bucket_start.timestamp_micros());
        generations.insert(bucket, row.generation);
        if row.used {
            used.push(bucket);
        }
    }
    let marks = sqlx::query_file!("../sql/backfill/marks.sql", user_id, from, to).fetch_all(&mut *tx).await?;
    let marks = marks.into_iter().map(|m| (m.seq, (m.tier, m.bucket_start.timestamp_micros()))).collect();
    // Of frozen time the calls come from their files.
    let calls = Archive::load(&mut tx, user_id).await?.scan(&mut tx, from, to).await?;
    tx.rollback().await?;
    Ok(Snapshot { zone: range.zone, calendar_digest, from, to, generations, used, marks, calendar, calls })
}

/// Needs the processor for a while.
fn compute(snapshot: Snapshot) -> Result<Swap, BackfillError> {
    let mut rows = rebuild::rows(&snapshot.calls, &snapshot.calendar)?;
    // Of a month the unit may hold a part only.
    rows.take_months();
    let mut buckets = BTreeMap::new();
    let mut add = |bucket: Bucket| {
        buckets.insert(bucket, snapshot.generations.get(&bucket).copied().unwrap_or(0));
    };
    snapshot.used.iter().copied().for_each(&mut add);
    for grain in WRITTEN {
        rows.table(grain).buckets().into_iter().for_each(|bucket| add((grain.tier(), bucket.start_micros)));
    }
    let calls = i64::try_from(snapshot.calls.len()).unwrap_or(i64::MAX);
    Ok(Swap { rows, calls, buckets, marks: snapshot.marks })
}

/// Locks the buckets; returns those to write, with their next generation, and
/// those that somebody recomputed since T1.
async fn lock(
    tx: &mut PgConnection,
    user_id: Uuid,
    all: &Buckets,
    swap: &Swap,
) -> Result<(Buckets, Buckets), BackfillError> {
    let locked =
        sqlx::query_file!("../sql/backfill/lock_buckets.sql", user_id, &all.tiers, &all.starts).fetch_all(tx).await?;
    let (mut written, mut discarded) = (Buckets::default(), Buckets::default());
    for row in locked {
        let seen = swap.buckets.get(&(row.tier, row.bucket_start.timestamp_micros()));
        let side = if seen == Some(&row.generation) { &mut written } else { &mut discarded };
        side.push(row.tier, row.bucket_start, row.generation + 1);
    }
    Ok((written, discarded))
}

/// Replaces the rows of the written buckets: vanished groups go, rows that did
/// not change stay untouched.
async fn write(
    tx: &mut PgConnection,
    user_id: Uuid,
    zone: &str,
    swap: &Swap,
    written: &Buckets,
) -> Result<(), BackfillError> {
    rebuild::create_stages(tx).await?;
    rebuild::copy_in(tx, user_id, zone, &swap.rows).await?;
    // Not checked at compile time: the staging tables exist in this transaction only.
    let quarters = written.of_tier(|tier| tier == Grain::Quarter.tier());
    sqlx::query(include_str!("../../sql/backfill/delete_quarters.sql"))
        .bind(user_id)
        .bind(&quarters.starts)
        .execute(&mut *tx)
        .await?;
    sqlx::query(include_str!("../../sql/backfill/write_quarters.sql"))
        .bind(&quarters.starts)
        .bind(&quarters.generations)
        .execute(&mut *tx)
        .await?;
    let local = written.of_tier(|tier| tier != Grain::Quarter.tier());
    let grains = local.grains();
    for delete in
        [include_str!("../../sql/backfill/delete_agents.sql"), include_str!("../../sql/backfill/delete_users.sql")]
    {
        sqlx::query(delete).bind(user_id).bind(&grains).bind(&local.starts).execute(&mut *tx).await?;
    }
    for upsert in
        [include_str!("../../sql/backfill/write_agents.sql"), include_str!("../../sql/backfill/write_users.sql")]
    {
        sqlx::query(upsert).bind(&grains).bind(&local.starts).bind(&local.generations).execute(&mut *tx).await?;
    }
    sqlx::query_file!(
        "../sql/backfill/bump_generations.sql",
        user_id,
        &written.tiers,
        &written.starts,
        &written.generations
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Takes the marks that T1 saw on what is written, and marks what is discarded.
async fn leave_marks(
    tx: &mut PgConnection,
    user_id: Uuid,
    swap: &Swap,
    written: &Buckets,
    discarded: &Buckets,
) -> Result<(), BackfillError> {
    let consumed: Vec<i64> =
        swap.marks.iter().filter(|(_, bucket)| written.contains(*bucket)).map(|(seq, _)| *seq).collect();
    sqlx::query_file!("../sql/backfill/delete_marks.sql", user_id, &consumed).execute(&mut *tx).await?;
    let users = vec![user_id; discarded.tiers.len()];
    sqlx::query_file!("../sql/verify/mark_buckets.sql", &users, &discarded.tiers, &discarded.starts)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

impl Buckets {
    /// # Errors
    /// When a start is no time of the calendar, which cannot come from the database.
    fn of(buckets: impl Iterator<Item = Bucket>) -> Result<Self, BackfillError> {
        let mut all = Buckets::default();
        for (tier, start) in buckets {
            let start = DateTime::from_timestamp_micros(start).ok_or(BackfillError::NoTime(start))?;
            all.push(tier, start, 0);
        }
        Ok(all)
    }

    fn push(&mut self, tier: i16, start: DateTime<Utc>, generation: i64) {
        self.tiers.push(tier);
        self.starts.push(start);
        self.generations.push(generation);
    }

    fn of_tier(&self, wanted: impl Fn(i16) -> bool) -> Buckets {
        let mut some = Buckets::default();
        for (i, &tier) in self.tiers.iter().enumerate().filter(|(_, tier)| wanted(**tier)) {
            some.push(tier, self.starts[i], self.generations[i]);
        }
        some
    }

    /// They lie in the order in which they were locked.
    fn contains(&self, (tier, start): Bucket) -> bool {
        let from = self.tiers.partition_point(|&t| t < tier);
        let to = self.tiers.partition_point(|&t| t <= tier);
        self.starts[from..to].binary_search_by_key(&start, DateTime::timestamp_micros).is_ok()
    }

    /// The grain column of hours and days.
    fn grains(&self) -> Vec<&'static str> {
        let name = |tier: &i16| if *tier == Grain::Hour.tier() { Grain::Hour.as_str() } else { Grain::Day.as_str() };
        self.tiers.iter().map(name).collect()
    }
}
