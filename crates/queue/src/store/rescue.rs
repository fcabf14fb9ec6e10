//! Taking jobs back.

use std::time::Duration;

use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::claimer::in_time;

/// Blocks that one statement reads, of 8 KiB each: less than a second's work.
pub(super) const BLOCKS: i64 = 65_536;

/// Greater than every block's number.
const NO_BLOCK: i64 = 4_294_967_295;

/// When a job is taken back and when it is given up.
#[derive(Debug, Clone, Copy)]
pub struct RescueTerms {
    /// Jobs at most.
    pub limit: i64,
    /// How long after its deadline a job of a living process is taken back.
    pub deadline_margin: Duration,
    /// At this many losses the job is a dead letter.
    pub max_lost: i32,
    /// Whether to look beyond ended leases: for jobs past their deadline, and
    /// for jobs whose lease has no row.
    pub thorough: bool,
    /// Blocks of the table that one statement reads.
    pub blocks: i64,
}

impl Default for RescueTerms {
    /// 500 jobs, 10 s after the deadline, dead at the 5th loss, thorough.
    fn default() -> Self {
        Self { limit: 500, deadline_margin: Duration::from_secs(10), max_lost: 5, thorough: true, blocks: BLOCKS }
    }
}

/// A job that was taken back.
#[derive(Debug, Clone)]
pub struct Rescued {
    /// Id of the job.
    pub job_id: i64,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// `lease` or `deadline`.
    pub cause: String,
    /// Whether it became a dead letter.
    pub dead: bool,
}

/// Takes back the jobs of ended leases and those far past their deadline. Any
/// number of processes may do this at once. An attempt that is lost counts: after
/// its last one a job is a dead letter.
///
/// It reads the whole table, since no index knows what is claimed: ask
/// [`ended_leases`] first whether that may find anything.
///
/// # Errors
/// Of the database. What was taken back before the error stays so.
pub async fn rescue(db: &PgPool, terms: &RescueTerms) -> Result<Vec<Rescued>, sqlx::Error> {
    let mut rescued = Vec::new();
    for (first, end) in stretches(db, terms.blocks).await? {
        let left = terms.limit.saturating_sub(i64::try_from(rescued.len()).unwrap_or(i64::MAX));
        if left <= 0 {
            break;
        }
        let rows = sqlx::query_file_as!(
            Rescued,
            "../../sql/queue/rescue.sql",
            left,
            terms.deadline_margin.as_secs_f64(),
            terms.max_lost,
            terms.thorough,
            first,
            end,
        );
        rescued.extend(in_time(rows.fetch_all(db)).await?);
    }
    Ok(rescued)
}

/// The leases that have ended and not been swept yet.
///
/// # Errors
/// Of the database.
pub async fn ended_leases(db: impl PgExecutor<'_>) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT lease_id FROM tally.job_leases WHERE expires_at <= now()").fetch_all(db).await
}

/// The table of live jobs cut into stretches of so many blocks: the first of each, and
/// the first that is beyond it. What comes to lie behind the last one belongs to that.
pub(super) async fn stretches(db: &PgPool, blocks: i64) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let all = sqlx::query_scalar!(r#"SELECT pg_relation_size('tally.jobs') / 8192 AS "blocks!""#).fetch_one(db).await?;
    let blocks = blocks.max(1);
    let firsts = (0..all.max(1)).step_by(usize::try_from(blocks).unwrap_or(usize::MAX));
    Ok(firsts.map(|first| (first, if first + blocks < all { first + blocks } else { NO_BLOCK })).collect())
}
