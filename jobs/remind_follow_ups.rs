//! `remind_follow_ups`: tells tenants of the follow-ups that have come due.
//!
//! A follow-up is due from a certain hour of its day on, by the clock of its
//! tenant. Its reminder is a notification, written together with the date that
//! was reminded of: run again, or by two processes at once, the job reminds
//! nobody twice; moved to another date, a follow-up is reminded of again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// Reminders of one transaction.
const BATCH: i64 = 1_000;

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemindFollowUps {}

impl Job for RemindFollowUps {
    type State = Deps;
    const KIND: &'static str = "remind_follow_ups";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let pool = &ctx.state.pool;
        let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(pool).await?;
        let hour = ctx.state.settings.current().follow_up_reminder_hour;
        let told = run_at(pool, now, hour).await?;
        if told > 0 {
            tracing::info!(told, "reminded of follow-ups");
        }
        Ok(())
    }
}

/// Reminds of everything that is due at `now`, each day's from `hour` (0 to 23) of
/// the tenant's clock on; returns how many notifications it wrote.
///
/// # Errors
/// When the database refuses; what was written before stays.
pub async fn run_at(pool: &PgPool, now: DateTime<Utc>, hour: i32) -> Result<i64, sqlx::Error> {
    let mut told = 0;
    loop {
        let batch = sqlx::query_file!("../sql/follow_ups/remind.sql", now, hour, BATCH).fetch_one(pool).await?;
        told += batch.told;
        if batch.due < BATCH {
            metrics::counter!("tallyline_follow_ups_reminded_total").increment(told.unsigned_abs());
            return Ok(told);
        }
    }
}
