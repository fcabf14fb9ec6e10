//! `rebuild_dashboards`: one tenant's `dashboard_cache` and `call_analytics_cache`.
//!
//! Each cache is built in one snapshot together with the generation of the
//! roll-ups that it was built from, and never replaces one of a later
//! generation: a slow old job cannot undo a fast new one.

use serde::{Deserialize, Serialize};
use tallyline_failpoints::{Point, pass};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// The tenant is the job's own; the payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct RebuildDashboards {}

impl Job for RebuildDashboards {
    type State = Deps;
    const KIND: &'static str = "rebuild_dashboards";
    const PRIORITY: i16 = 2;

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let Some(user_id) = ctx.job.user_id else {
            return Err(JobError::Fatal("rebuild_dashboards needs a tenant".into()));
        };
        let expires_seconds = f64::from(ctx.state.dashboards_expire_seconds);
        let mut tx = ctx.state.pool.begin().await?;
        sqlx::query_file!("../sql/cache/delete_foreign_periods.sql", user_id).execute(&mut *tx).await?;
        sqlx::query_file!("../sql/cache/upsert_periods.sql", user_id).execute(&mut *tx).await?;
        sqlx::query_file!("../sql/cache/upsert_overview.sql", user_id, expires_seconds).execute(&mut *tx).await?;
        pass::<sqlx::Error>(Point::CachesWritten)?;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
