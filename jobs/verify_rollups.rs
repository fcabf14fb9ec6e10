//! `verify_rollups`: every figure of every tenant against its calls, by the path of Polars, at night.
//!
//! A tenant is read in one transaction of its own, and one that cannot be read
//! is logged, counted and passed over. Differences are kept and marked as those
//! of the sampler are.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;
use crate::audit_rollups::Summary;
use crate::verify::{self, FoundBy, VerifyOptions};

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct VerifyRollups {}

impl Job for VerifyRollups {
    type State = Deps;
    const KIND: &'static str = "verify_rollups";
    const PRIORITY: i16 = 3;
    // It begins anew when it is tried again, and the next night comes anyhow.
    const MAX_ATTEMPTS: i32 = 2;
    const DEADLINE: Duration = Duration::from_secs(8 * 60 * 60);

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        run_once(&ctx.state.pool).await?;
        Ok(())
    }
}

/// Verifies all tenants, one after the other.
///
/// # Errors
/// When the list of tenants cannot be read, or the time of the end not written.
pub async fn run_once(pool: &PgPool) -> Result<Summary, sqlx::Error> {
    let started = Instant::now();
    let tenants = sqlx::query_file_scalar!("../sql/verify/tenants.sql", None::<uuid::Uuid>).fetch_all(pool).await?;
    let mut summary = Summary::default();
    for user_id in tenants {
        let options = VerifyOptions { tenant: Some(user_id), ..VerifyOptions::default() };
        let report = verify::verify(pool, options, |_| {}).await;
        summary.add(pool, user_id, FoundBy::Full, report).await;
    }
    summary.export(FoundBy::Full, started.elapsed());
    if summary.tenants_failed == 0 {
        // In the database, since another process may tell of it.
        sqlx::query_file!("../sql/verify/save_last_full.sql").execute(pool).await?;
    }
    tracing::info!(
        tenants_checked = summary.tenants_checked,
        tenants_failed = summary.tenants_failed,
        buckets_checked = summary.buckets_checked,
        "verified everything"
    );
    Ok(summary)
}
