//! The state of the queue in figures, for the exporter and `tallyline status`.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::error::QueueError;

/// One queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueStats {
    /// Its name.
    pub queue: String,
    /// Jobs that are due.
    pub ready: i64,
    /// Jobs that wait for their time, retries among them.
    pub waiting: i64,
    /// Jobs that run.
    pub claimed: i64,
    /// For how long the oldest due job has been due; `None` when none is.
    pub oldest_ready_seconds: Option<f64>,
    /// Whether it is paused.
    pub paused: bool,
}

/// Dead letters of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadStats {
    /// The kind.
    pub kind: String,
    /// Dead letters.
    pub dead: i64,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleStats {
    /// Its name.
    pub name: String,
    /// Kind of its job.
    pub kind: String,
    /// Cron expression.
    pub cron: String,
    /// IANA zone.
    pub timezone: String,
    /// Whether it is paused.
    pub paused: bool,
    /// When it fires next; `None` when never.
    pub next_fire_at: Option<DateTime<Utc>>,
    /// When it last came due; runs by hand do not count.
    pub last_fire_at: Option<DateTime<Utc>>,
    /// `enqueued`, `skipped_missed`, `skipped_overlap` or `skipped_paused`.
    pub last_outcome: Option<String>,
    /// The job of that fire.
    pub last_job_id: Option<i64>,
}

/// The state of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// By queue: those that have jobs or are paused.
    pub queues: Vec<QueueStats>,
    /// By kind: those that have dead letters.
    pub dead: Vec<DeadStats>,
    /// By schedule.
    pub schedules: Vec<ScheduleStats>,
}

/// Reads the state of the queue. Costs a scan of the live jobs and of the dead
/// letters' index; history is not read.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn stats(pool: &PgPool) -> Result<Stats, QueueError> {
    let queues = sqlx::query_file_as!(QueueStats, "../../sql/queue/stats_queues.sql").fetch_all(pool).await?;
    let dead = sqlx::query_as!(
        DeadStats,
        r#"SELECT kind, count(*) AS "dead!" FROM tally.dead_jobs GROUP BY kind ORDER BY kind"#
    )
    .fetch_all(pool)
    .await?;
    let schedules = sqlx::query_file_as!(ScheduleStats, "../../sql/queue/stats_schedules.sql").fetch_all(pool).await?;
    Ok(Stats { queues, dead, schedules })
}

/// What vacuum has left to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Bloat {
    /// The tables whose rows come and go.
    pub tables: Vec<TableBloat>,
    /// Age of the oldest snapshot that anything holds; `None` when nothing does.
    pub oldest_snapshot_seconds: Option<f64>,
    /// Who holds it.
    pub oldest_snapshot_holder: Option<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableBloat {
    /// Its name in schema `tally`.
    pub table: String,
    /// Rows that are there.
    pub live_tuples: i64,
    /// Rows that are gone and not vacuumed away.
    pub dead_tuples: i64,
}

/// Reads PostgreSQL's statistics of the queue's tables.
///
/// # Errors
/// Of the database.
pub async fn bloat(pool: &PgPool) -> Result<Bloat, sqlx::Error> {
    let rows = sqlx::query_file!("../../sql/queue/bloat.sql").fetch_all(pool).await?;
    let oldest = rows.first();
    Ok(Bloat {
        oldest_snapshot_seconds: oldest.and_then(|row| row.oldest_snapshot_seconds),
        oldest_snapshot_holder: oldest.and_then(|row| row.oldest_snapshot_holder.clone()),
        tables: rows
            .into_iter()
            .map(|row| TableBloat { table: row.table, live_tuples: row.live_tuples, dead_tuples: row.dead_tuples })
            .collect(),
    })
}
