//! `refresh_kpi_summary`: the materialized view `user_kpi_summary`.
//!
//! Asked for by `roll_up` when days change, and by the clock, since its windows
//! move by themselves at each tenant's midnight. Coalesced: however often it is
//! asked for while it waits, it runs once.

use serde::{Deserialize, Serialize};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// The payload is empty: the job looks at state and makes it right.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefreshKpiSummary {}

impl Job for RefreshKpiSummary {
    type State = Deps;
    const KIND: &'static str = "refresh_kpi_summary";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let mut tx = ctx.state.pool.begin().await?;
        // One refresh waits for another, and reads every tenant's days.
        sqlx::query!("SET LOCAL statement_timeout = '10min'").execute(&mut *tx).await?;
        sqlx::query!("SET LOCAL lock_timeout = '10min'").execute(&mut *tx).await?;
        sqlx::query_scalar!("SELECT tally.refresh_kpi_summary()").fetch_one(&mut *tx).await?;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
