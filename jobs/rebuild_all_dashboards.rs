//! `rebuild_all_dashboards`: asks for the caches and trends that expire, by the clock.
//!
//! It only asks: each tenant's are rebuilt by a job of their own, so that one
//! that fails stops no other. What expires before the next look is asked for at
//! that moment, which may be the tenant's midnight.

use serde::{Deserialize, Serialize};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct RebuildAllDashboards {}

impl Job for RebuildAllDashboards {
    type State = Deps;
    const KIND: &'static str = "rebuild_all_dashboards";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let mut tx = ctx.state.pool.begin().await?;
        let requests = sqlx::query_file!("../sql/cache/request_due.sql").fetch_one(&mut *tx).await?.requests;
        let trends = sqlx::query_file!("../sql/cache/request_due_trends.sql").fetch_one(&mut *tx).await?.requests;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(requests, trends, "asked for dashboard caches that expire");
        Ok(())
    }
}
