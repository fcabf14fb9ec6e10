//! Claiming jobs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, value::RawValue};
use sqlx::{PgExecutor, PgPool, types::Json};
use uuid::Uuid;

use super::rescue::{BLOCKS, stretches};
use crate::claimer::in_time;

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

/// A lane that has waiting jobs: those of one priority, tenant and kind.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneRow {
    /// 0 runs first, 3 last.
    pub priority: i16,
    /// The nil uuid for jobs of no tenant.
    pub tenant: Uuid,
    /// Kind of its jobs.
    pub kind: String,
    /// When the first of its jobs is or was due.
    pub oldest_run_at: DateTime<Utc>,
    /// Id of that job.
    pub oldest_id: i64,
    /// The same from now; negative when it is due.
    pub due_in_seconds: f64,
    /// Whether the queue or the kind is paused.
    pub paused: bool,
    /// Whether its tenant runs as many jobs as it may.
    pub full: bool,
    /// Jobs of one tenant that may run at once in this queue.
    pub tenant_cap: Option<i32>,
}

/// A lane and how many jobs it may give to one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneShare {
    /// 0 runs first, 3 last.
    pub priority: i16,
    /// The nil uuid for jobs of no tenant.
    pub tenant: Uuid,
    /// Kind of its jobs.
    pub kind: String,
    /// Jobs that were due before are not looked for.
    pub not_before: DateTime<Utc>,
    /// Nor are those that were due then and have a lower id.
    pub first_id: i64,
    /// Jobs at most.
    pub share: usize,
}

impl LaneShare {
    pub(crate) fn is_of(&self, priority: i16, tenant: Uuid, kind: &str) -> bool {
        self.priority == priority && self.tenant == tenant && self.kind == kind
    }
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
    pub payload: Json<Box<RawValue>>,
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
    /// The permit of its tenant that it holds, in a queue with a cap.
    pub permit_slot: Option<i32>,
    /// From due to claimed.
    pub wait_seconds: f64,
}

/// Finds up to `limit` lanes of a queue that have waiting jobs, in the order of
/// (priority, tenant, kind), behind the one given.
///
/// # Errors
/// Of the database.
pub async fn lanes(
    db: impl PgExecutor<'_>,
    queue: &str,
    limit: usize,
    after: (i16, Uuid, &str),
) -> Result<Vec<LaneRow>, sqlx::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (priority, tenant, kind) = after;
    sqlx::query_file_as!(LaneRow, "../../sql/queue/lanes.sql", queue, limit, priority, tenant, kind).fetch_all(db).await
}

/// Claims up to `limit` due jobs for a lease from lanes that are known, in their
/// order. Nothing is claimed for a lease that ended or what is paused. With
/// `capped`, each job takes a permit of its tenant or is left alone; permits of
/// new tenants must have been made, see [`make_permits`].
///
/// # Errors
/// Of the database. The claim may have happened all the same: see [`release_unknown`].
pub async fn claim_from(
    db: impl PgExecutor<'_>,
    terms: &ClaimTerms,
    lease_id: Uuid,
    limit: usize,
    lanes: &[LaneShare],
    capped: bool,
) -> Result<Vec<ClaimedRow>, sqlx::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let priorities: Vec<i16> = lanes.iter().map(|lane| lane.priority).collect();
    let tenants: Vec<Uuid> = lanes.iter().map(|lane| lane.tenant).collect();
    let kinds: Vec<String> = lanes.iter().map(|lane| lane.kind.clone()).collect();
    let bounds: Vec<DateTime<Utc>> = lanes.iter().map(|lane| lane.not_before).collect();
    let first_ids: Vec<i64> = lanes.iter().map(|lane| lane.first_id).collect();
    let shares: Vec<i64> = lanes.iter().map(|lane| i64::try_from(lane.share).unwrap_or(i64::MAX)).collect();
    macro_rules! run {
        ($file:literal) => {
            sqlx::query_file_as!(
                ClaimedRow,
                $file,
                terms.queue,
                lease_id,
                limit,
                &priorities,
                &tenants,
                &kinds,
                &bounds,
                &first_ids,
                &shares,
                terms.deadlines,
                terms.other_deadline.as_secs_f64(),
            )
            .fetch_all(db)
            .await
        };
    }
    let mut rows = match capped {
        false => run!("../../sql/queue/claim.sql"),
        true => run!("../../sql/queue/claim_capped.sql"),
    }?;
    rows.sort_by_key(|row| (row.priority, row.run_at, row.id));
    Ok(rows)
}

/// Looks for lanes and claims from them, in equal shares: for tools that claim
/// now and then. A claimer keeps what it knows of the lanes.
///
/// # Errors
/// See [`claim_from`].
pub async fn claim(
    db: &PgPool,
    terms: &ClaimTerms,
    lease_id: Uuid,
    limit: usize,
) -> Result<Vec<ClaimedRow>, sqlx::Error> {
    let mut book = crate::lanes::LaneBook::new();
    let found = lanes(db, &terms.queue, crate::lanes::MOST_LANES, (-1, Uuid::nil(), "")).await?;
    book.enter(found, Duration::ZERO);
    if book.is_capped() {
        make_permits(db, &terms.queue, &book.tenants()).await?;
    }
    let shares = book.allot(limit, &mut std::collections::HashMap::new());
    claim_from(db, terms, lease_id, limit, &shares, book.is_capped()).await
}

/// Makes the permits that tenants of a capped queue still lack.
///
/// # Errors
/// Of the database.
pub async fn make_permits(db: impl PgExecutor<'_>, queue: &str, tenants: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query_file!("../../sql/queue/permits_make.sql", queue, tenants).execute(db).await?;
    Ok(())
}

/// Frees permits whose claim is over; returns how many. There are none unless a
/// cap was removed and set again while jobs ran.
///
/// # Errors
/// Of the database.
pub async fn free_permits(db: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query_file!("../../sql/queue/permits_free.sql").execute(db).await?.rows_affected())
}

/// Gives back what a lease holds in a queue without knowing it, because the
/// answer to a claim got lost. `known` are the jobs that it does know. It reads
/// the whole table.
///
/// # Errors
/// Of the database.
pub async fn release_unknown(db: &PgPool, queue: &str, lease_id: Uuid, known: &[i64]) -> Result<usize, sqlx::Error> {
    let mut released = 0;
    for (first, end) in stretches(db, BLOCKS).await? {
        let rows = sqlx::query_file!("../../sql/queue/release_unknown.sql", queue, lease_id, known, first, end);
        released += in_time(rows.fetch_all(db)).await?.len();
    }
    Ok(released)
}
