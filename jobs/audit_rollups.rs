//! `audit_rollups`: compares a sample of clean buckets with what lies below them.
//!
//! The expected number of differences is none. Each one is logged, counted, and
//! its bucket marked, so that it is right again a moment later and known to
//! have been wrong. `tallyline verify` looks at everything, by another path.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tallyline_queue::{Job, JobContext, JobError};
use uuid::Uuid;

use crate::Deps;

/// Buckets looked at by one run: bounds its time.
const SAMPLE: i64 = 2_000;

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditRollups {}

impl Job for AuditRollups {
    type State = Deps;
    const KIND: &'static str = "audit_rollups";
    const PRIORITY: i16 = 3;

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let pool = &ctx.state.pool;
        let quarters = sqlx::query_file!("../sql/audit/quarters.sql", SAMPLE).fetch_all(pool).await?;
        for row in &quarters {
            tracing::error!(user_id = %row.user_id, bucket_start = %row.bucket_start, calls = row.calls,
                rolled_up = %row.rolled_up, "quarter differs from its calls");
            mark(&ctx.state, row.user_id, row.bucket_start, TimeDelta::minutes(15)).await?;
        }
        let days = sqlx::query_file!("../sql/audit/days.sql", SAMPLE).fetch_all(pool).await?;
        for row in &days {
            tracing::error!(user_id = %row.user_id, bucket_start = %row.bucket_start, quarters = %row.quarters,
                day = row.day, "day differs from its quarters");
            // Longer than any day of any zone.
            mark(&ctx.state, row.user_id, row.bucket_start, TimeDelta::hours(26)).await?;
        }
        metrics::gauge!("tallyline_verify_differences", "tier" => "quarter").set(quarters.len() as f64);
        metrics::gauge!("tallyline_verify_differences", "tier" => "day").set(days.len() as f64);
        metrics::counter!("tallyline_verify_runs_total").increment(1);
        Ok(())
    }
}

async fn mark(deps: &Deps, user_id: Uuid, from: DateTime<Utc>, length: TimeDelta) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("SELECT tally.mark_calls($1, $2, $3)", user_id, from, from + length)
        .fetch_one(&deps.pool)
        .await?;
    Ok(())
}
