//! `audit_rollups`: compares a sample of clean buckets with what lies below them, all the time.
//!
//! Tenants take turns. Of each, a few buckets of every tier and age are looked
//! at, at a cost that does not grow with its tables. The expected number of
//! differences is none: each one is logged, counted and kept with what explains
//! it, and its bucket is marked, so that it is right again a moment later and
//! known to have been wrong. `verify_rollups` looks at everything, by another path.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_queue::{Job, JobContext, JobError};
use uuid::Uuid;

use crate::Deps;
use crate::verify::{self, Calendars, FoundBy, VerifyError, VerifyReport};

/// How much one run looks at.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tenants whose turn it is in one run.
    pub tenants: i64,
    /// Quarters, and hours, of each age of such a tenant; days half as many, months a quarter.
    pub buckets: i64,
}

/// What came of a check of several tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub tenants_checked: usize,
    /// Tenants that could not be checked; the log says why.
    pub tenants_failed: usize,
    pub buckets_checked: usize,
    pub skipped_dirty: usize,
    /// Differences by tier, money last.
    pub differences: [usize; 5],
}

/// Names of [`Summary::differences`], as labels of metrics.
pub(crate) const TIERS: [&str; 5] = ["quarter", "hour", "day", "month", "money"];

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditRollups {}

impl Job for AuditRollups {
    type State = Deps;
    const KIND: &'static str = "audit_rollups";
    const PRIORITY: i16 = 3;
    const DEADLINE: Duration = Duration::from_secs(5 * 60);

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        // Every run draws other buckets; a run that is repeated draws the same.
        let seed = ctx.job.id.cast_unsigned();
        run_once(&ctx.state.pool, &ctx.state.audit, seed).await?;
        Ok(())
    }
}

/// One run. A tenant that cannot be checked does not keep the others from it.
///
/// # Errors
/// When the tenants whose turn it is cannot be read.
pub async fn run_once(pool: &PgPool, options: &Options, seed: u64) -> Result<Summary, sqlx::Error> {
    let started = Instant::now();
    let mut summary = Summary::default();
    let mut calendars = Calendars::new();
    for user_id in next_tenants(pool, options.tenants).await? {
        let report = sample(pool, &mut calendars, user_id, options.buckets, seed).await;
        summary.add(pool, user_id, FoundBy::Sample, report).await;
    }
    summary.export(FoundBy::Sample, started.elapsed());
    Ok(summary)
}

async fn sample(
    pool: &PgPool,
    calendars: &mut Calendars,
    user_id: Uuid,
    buckets: i64,
    seed: u64,
) -> Result<VerifyReport, VerifyError> {
    let mut connection = pool.acquire().await?;
    verify::sample_tenant(&mut connection, calendars, user_id, buckets, seed).await
}

/// Whose turn it is. The turn is taken before anything is looked at, so that
/// whatever happens then the next run goes on behind them.
async fn next_tenants(pool: &PgPool, tenants: i64) -> Result<Vec<Uuid>, sqlx::Error> {
    let cursor = sqlx::query_scalar!("SELECT config_value FROM public.system_config WHERE config_key = 'audit_cursor'")
        .fetch_optional(pool)
        .await?;
    // What is no id is the beginning.
    let cursor = cursor.and_then(|id| id.parse().ok()).unwrap_or(Uuid::nil());
    let next = sqlx::query_file_scalar!("../sql/audit/next_tenants.sql", cursor, tenants).fetch_all(pool).await?;
    if let Some(last) = next.last() {
        sqlx::query_file!("../sql/audit/save_cursor.sql", last).execute(pool).await?;
    }
    Ok(next)
}

impl Summary {
    /// Takes what was found of a tenant, and keeps and marks it.
    pub(crate) async fn add(
        &mut self,
        pool: &PgPool,
        user_id: Uuid,
        found_by: FoundBy,
        report: Result<VerifyReport, VerifyError>,
    ) {
        let kept = async {
            let report = report?;
            verify::keep(pool, user_id, found_by, &report).await?;
            Ok::<_, VerifyError>(report)
        };
        match kept.await {
            // Gone since the list of tenants was made.
            Err(VerifyError::UnknownTenant(_)) => {}
            Err(error) => {
                tracing::error!(%user_id, %error, found_by = found_by.as_str(), "tenant could not be verified");
                self.tenants_failed += 1;
            }
            Ok(report) => {
                self.tenants_checked += report.tenants_checked;
                self.buckets_checked += report.buckets_checked;
                self.skipped_dirty += report.skipped_dirty;
                for difference in &report.differences {
                    let tier = difference.grain.map_or(TIERS.len() - 1, |grain| grain as usize);
                    if let Some(count) = self.differences.get_mut(tier) {
                        *count += 1;
                    }
                    tracing::error!(found_by = found_by.as_str(), difference = difference.describe(), "figure differs");
                }
            }
        }
    }

    /// Sets what `/metrics` says of the run.
    pub(crate) fn export(&self, found_by: FoundBy, duration: Duration) {
        let kind = found_by.as_str();
        for (tier, found) in TIERS.into_iter().zip(self.differences) {
            metrics::counter!("tallyline_verify_differences_total", "kind" => kind, "tier" => tier)
                .increment(found as u64);
            if found_by == FoundBy::Full {
                metrics::gauge!("tallyline_verify_differences", "tier" => tier).set(found as f64);
            }
        }
        metrics::counter!("tallyline_verify_buckets_checked_total", "kind" => kind)
            .increment(self.buckets_checked as u64);
        metrics::counter!("tallyline_verify_tenants_failed_total", "kind" => kind)
            .increment(self.tenants_failed as u64);
        metrics::counter!("tallyline_verify_runs_total", "kind" => kind).increment(1);
        metrics::histogram!("tallyline_verify_duration_seconds", "kind" => kind).record(duration.as_secs_f64());
    }
}
