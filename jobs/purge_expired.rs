//! `purge_expired`: removes what is past its retention, in bounded batches.
//!
//! Never what keeps counts exact: rows of the inbox stay (only their bodies go), so
//! that a webhook sent again is still known, and so do the facts of events.

use serde::{Deserialize, Serialize};
use tallyline_failpoints::{Point, pass};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// Batches of one statement in one run; the rest is left to the next night.
const MAX_BATCHES: usize = 100;

/// Days that things are kept.
#[derive(Debug, Clone)]
pub struct Retention {
    pub inbox_body_days: i32,
    pub login_attempt_days: i32,
    pub password_reset_days: i32,
    /// After the session can be neither used nor refreshed.
    pub session_days: i32,
    /// After the cache expired.
    pub dashboard_cache_days: i32,
    pub quarantine_days: i32,
    pub notification_days: i32,
    pub job_history_days: i32,
    pub dead_job_days: i32,
    pub schedule_fire_days: i32,
    /// After the backfill ended.
    pub backfill_days: i32,
    pub audit_difference_days: i32,
    pub twilio_processed_days: i32,
    pub provider_check_days: i32,
}

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct PurgeExpired {}

/// Repeats a bounded statement until it finds nothing more; counts what went.
macro_rules! purge {
    ($pool:expr, $name:literal, $file:literal $(, $parameter:expr)?) => {{
        let mut purged = 0;
        for _ in 0..MAX_BATCHES {
            let rows = sqlx::query_file!($file $(, $parameter)?).execute($pool).await?.rows_affected();
            purged += rows;
            pass::<sqlx::Error>(Point::PurgeBatch)?;
            if rows == 0 {
                break;
            }
        }
        metrics::counter!("tallyline_purged_rows_total", "what" => $name).increment(purged);
        tracing::info!(what = $name, purged, "purged");
    }};
}

impl Job for PurgeExpired {
    type State = Deps;
    const KIND: &'static str = "purge_expired";
    const PRIORITY: i16 = 3;

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let pool = &ctx.state.pool;
        let keep = &ctx.state.retention;
        purge!(pool, "login_attempts", "../sql/purge/login_attempts.sql", keep.login_attempt_days);
        purge!(pool, "password_reset_attempts", "../sql/purge/password_reset_attempts.sql", keep.password_reset_days);
        purge!(pool, "user_sessions", "../sql/purge/user_sessions.sql", keep.session_days);
        purge!(pool, "dashboard_cache", "../sql/purge/dashboard_cache.sql", keep.dashboard_cache_days);
        purge!(pool, "inbox_bodies", "../sql/purge/inbox_bodies.sql", keep.inbox_body_days);
        purge!(pool, "quarantine", "../sql/purge/quarantine.sql", keep.quarantine_days);
        purge!(pool, "notifications", "../sql/purge/notifications.sql", keep.notification_days);
        purge!(pool, "job_history", "../sql/purge/job_history.sql", keep.job_history_days);
        purge!(pool, "schedule_fires", "../sql/purge/schedule_fires.sql", keep.schedule_fire_days);
        purge!(pool, "dead_jobs", "../sql/purge/dead_jobs.sql", keep.dead_job_days);
        purge!(pool, "backfill_units", "../sql/purge/backfill_units.sql", keep.backfill_days);
        purge!(pool, "backfills", "../sql/purge/backfills.sql", keep.backfill_days);
        purge!(pool, "provider_checks", "../sql/purge/provider_checks.sql", keep.provider_check_days);
        purge!(pool, "audit_differences", "../sql/purge/audit_differences.sql", keep.audit_difference_days);
        purge!(pool, "twilio_processed_calls", "../sql/purge/twilio_processed_calls.sql", keep.twilio_processed_days);
        Ok(())
    }
}
