//! `rebuild_all_dashboards`: asks for the caches that have expired, by the clock.

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
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(requests, "asked for expired dashboard caches");
        Ok(())
    }
}
