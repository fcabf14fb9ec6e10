//! The state of an installation: one screen for `tallyline status`, and the
//! figures that the service metrics export. Both say the same because both
//! are this.

mod screen;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tallyline_jobs::admin_log::COMMAND_LINE;
use tallyline_jobs::backfill::{self, BackfillError, Progress};

/// Names of the tiers, in the order of `tally.rollup_marks.tier`.
pub const TIERS: [&str; 4] = ["quarter", "hour", "day", "month"];

/// Backfills under way that are looked at; more at once make no sense.
const OPEN_BACKFILLS: i64 = 20;

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The database could not be asked.
    #[error("cannot read the status: {0}")]
    Database(#[from] sqlx::Error),
    /// The queue could not be asked.
    #[error("cannot read the status of the queue: {0}")]
    Queue(#[from] tallyline_queue::QueueError),
    /// The backfills could not be asked.
    #[error("cannot read the status of backfills: {0}")]
    Backfills(#[from] BackfillError),
}

/// Everything on the screen. Ages are whole and part seconds by the database's clock.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The database's clock.
    pub at: DateTime<Utc>,
    pub database_version: String,
    pub tenants: i64,
    /// The planner's estimate and not a count; `None` before the first ANALYZE.
    pub calls_estimate: Option<i64>,
    pub inbox: Inbox,
    /// Always the four of [`TIERS`].
    pub tiers: Vec<Tier>,
    pub queues: Vec<Queue>,
    pub dead_jobs: Vec<DeadJobs>,
    pub vacuum: Vacuum,
    pub schedules: Vec<Schedule>,
    pub quarantine: Vec<Quarantine>,
    pub analyses: Analyses,
    pub notifications: Notifications,
    /// Those that run or are paused.
    pub backfills: Vec<Progress>,
    pub reconcile: Reconcile,
    /// `None` when the view was never refreshed.
    pub kpi_view_age_seconds: Option<f64>,
    /// `None` when there is no cache.
    pub dashboard_cache_oldest_seconds: Option<f64>,
}

/// Events that no call shows yet.
#[derive(Debug, Clone, Serialize)]
pub struct Inbox {
    /// To be applied.
    pub ready: i64,
    /// Waiting for the execution of their call, or for their next try.
    pub waiting: i64,
    /// On receivers' disks since the database was away.
    pub spooled: i64,
    pub oldest_seconds: Option<f64>,
}

/// Analyses that are to be made, of calls and of contacts, by what they wait for.
#[derive(Debug, Clone, Serialize)]
pub struct Analyses {
    /// For a worker.
    pub due: i64,
    /// For the answer to a request.
    pub claimed: i64,
    /// For their next attempt.
    pub retry: i64,
    /// For the tenant's next day, since this one may cost no more.
    pub spending_cap: i64,
    /// Contacts whose complete analysis is to be folded anew.
    pub folds: i64,
}

/// A tier of the roll-ups.
#[derive(Debug, Clone, Serialize)]
pub struct Tier {
    pub tier: &'static str,
    /// Buckets with at least one mark.
    pub dirty_buckets: i64,
    /// Age of the oldest mark; 0 when there is none.
    pub lag_seconds: f64,
    /// Buckets whose last recomputation failed; `tally.rollup_buckets.last_error` says why.
    pub failing_buckets: i64,
}

/// A queue with jobs, or a paused one.
#[derive(Debug, Clone, Serialize)]
pub struct Queue {
    pub queue: String,
    pub ready: i64,
    /// Not due yet, retries among them.
    pub waiting: i64,
    pub running: i64,
    pub oldest_ready_seconds: Option<f64>,
    pub paused: bool,
}

/// What keeps the queue's tables from staying small.
#[derive(Debug, Clone, Serialize)]
pub struct Vacuum {
    /// Rows of the queue's tables that are gone and not vacuumed away.
    pub dead_rows: i64,
    /// Age of the oldest snapshot that this account can see; `None` when nobody holds one.
    pub oldest_snapshot_seconds: Option<f64>,
    /// Who holds it.
    pub oldest_snapshot_holder: Option<String>,
}

/// Dead letters of a kind.
#[derive(Debug, Clone, Serialize)]
pub struct DeadJobs {
    pub job: String,
    pub dead: i64,
}

/// A schedule with its neighbouring fires.
#[derive(Debug, Clone, Serialize)]
pub struct Schedule {
    pub name: String,
    pub job: String,
    pub cron: String,
    pub timezone: String,
    pub paused: bool,
    pub next_fire_at: Option<DateTime<Utc>>,
    pub last_fire_at: Option<DateTime<Utc>>,
    pub last_outcome: Option<String>,
}

/// Events in quarantine for one reason.
#[derive(Debug, Clone, Serialize)]
pub struct Quarantine {
    pub reason: String,
    pub events: i64,
    /// For how long the oldest of them has been there.
    pub oldest_seconds: f64,
}

/// Deliveries of notifications to endpoints that are enabled.
#[derive(Debug, Clone, Serialize)]
pub struct Notifications {
    /// Still to come, retries among them.
    pub pending: i64,
    /// Given up; `tallyline notify replay` sends them again.
    pub failed: i64,
    /// For how long the oldest that is due has been due; `None` when none is.
    pub oldest_due_seconds: Option<f64>,
}

/// What is known of providers beyond what they send.
#[derive(Debug, Clone, Serialize)]
pub struct Reconcile {
    pub accounts_in_use: i64,
    /// By an operator, or since the provider refuses the key.
    pub accounts_disabled: i64,
    /// In use, but their last run ended with an error.
    pub accounts_failing: i64,
    /// Active tenants without an account in use: nothing of theirs is reconciled.
    pub tenants_without: i64,
    /// `None` when no account is in use.
    pub oldest_watermark_seconds: Option<f64>,
    /// Calls that have not ended here and that their provider does not know.
    pub unknown_calls: i64,
    /// Answers about single calls that cannot be used.
    pub refused_answers: i64,
}

/// Reads the status. Costs what waits, not what was counted.
///
/// # Errors
/// When the database cannot be asked.
pub async fn collect(pool: &PgPool) -> Result<Status, StatusError> {
    let overview = sqlx::query_file!("sql/status/overview.sql").fetch_one(pool).await?;
    let inbox = sqlx::query_file_as!(Inbox, "sql/status/inbox.sql").fetch_one(pool).await?;
    let quarantine = sqlx::query_file_as!(Quarantine, "sql/status/quarantine.sql").fetch_all(pool).await?;
    let analyses = sqlx::query_file_as!(Analyses, "sql/status/analyses.sql").fetch_one(pool).await?;
    let notifications = sqlx::query_file_as!(Notifications, "sql/status/notifications.sql").fetch_one(pool).await?;
    let jobs = tallyline_queue::stats(pool).await?;
    Ok(Status {
        at: overview.at,
        database_version: overview.database_version,
        tenants: overview.tenants,
        calls_estimate: overview.calls_estimate,
        inbox,
        tiers: tiers(pool).await?,
        queues: jobs.queues.into_iter().map(Queue::from).collect(),
        vacuum: tallyline_queue::bloat(pool).await?.into(),
        dead_jobs: jobs.dead.into_iter().map(|d| DeadJobs { job: d.kind, dead: d.dead }).collect(),
        schedules: jobs.schedules.into_iter().map(Schedule::from).collect(),
        quarantine,
        analyses,
        notifications,
        backfills: backfill::list_open(pool, OPEN_BACKFILLS).await?,
        reconcile: sqlx::query_file_as!(Reconcile, "sql/status/reconcile.sql", COMMAND_LINE).fetch_one(pool).await?,
        kpi_view_age_seconds: overview.kpi_view_age_seconds,
        dashboard_cache_oldest_seconds: overview.dashboard_cache_oldest_seconds,
    })
}

async fn tiers(pool: &PgPool) -> Result<Vec<Tier>, sqlx::Error> {
    let rows = sqlx::query_file!("sql/status/tiers.sql").fetch_all(pool).await?;
    let named = TIERS.iter().zip(rows);
    Ok(named
        .map(|(tier, row)| Tier {
            tier,
            dirty_buckets: row.dirty_buckets,
            // A mark of a moment later than this statement's clock is no negative lag.
            lag_seconds: row.oldest_seconds.unwrap_or(0.0).max(0.0),
            failing_buckets: row.failing_buckets,
        })
        .collect())
}

impl From<tallyline_queue::QueueStats> for Queue {
    fn from(q: tallyline_queue::QueueStats) -> Self {
        Self {
            queue: q.queue,
            ready: q.ready,
            waiting: q.waiting,
            running: q.claimed,
            oldest_ready_seconds: q.oldest_ready_seconds,
            paused: q.paused,
        }
    }
}

impl From<tallyline_queue::Bloat> for Vacuum {
    fn from(bloat: tallyline_queue::Bloat) -> Self {
        Self {
            dead_rows: bloat.tables.iter().map(|table| table.dead_tuples).sum(),
            oldest_snapshot_seconds: bloat.oldest_snapshot_seconds,
            oldest_snapshot_holder: bloat.oldest_snapshot_holder,
        }
    }
}

impl From<tallyline_queue::ScheduleStats> for Schedule {
    fn from(s: tallyline_queue::ScheduleStats) -> Self {
        Self {
            name: s.name,
            job: s.kind,
            cron: s.cron,
            timezone: s.timezone,
            paused: s.paused,
            next_fire_at: s.next_fire_at,
            last_fire_at: s.last_fire_at,
            last_outcome: s.last_outcome,
        }
    }
}
