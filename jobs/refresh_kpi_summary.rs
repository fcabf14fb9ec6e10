//! `refresh_kpi_summary`: the materialized view `user_kpi_summary`.
//!
//! Asked for by `roll_up` when days change, under one key, so that however often
//! it is asked for while it waits, it runs once; what comes while it runs makes
//! it run once more. The clock asks too, since windows move by themselves at each
//! tenant's midnight: its job refreshes nothing, it leaves a request for the
//! moment at which the first row expires. So no two jobs refresh at once, and
//! should a process that lost its lease still be at it, the next waits its turn.

use serde::{Deserialize, Serialize};
use tallyline_failpoints::{Point, pass};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// The key of what refreshes; `sql/rollup/request_followers.sql` asks for the same.
const KEY: &str = "view";

/// The payload is empty: the job looks at state and makes it right.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefreshKpiSummary {}

impl Job for RefreshKpiSummary {
    type State = Deps;
    const KIND: &'static str = "refresh_kpi_summary";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let mut tx = ctx.state.pool.begin().await?;
        if ctx.job.key.as_deref() == Some(KEY) {
            // One refresh waits for another, and reads every tenant's days.
            sqlx::query!("SET LOCAL statement_timeout = '10min'").execute(&mut *tx).await?;
            sqlx::query!("SET LOCAL lock_timeout = '10min'").execute(&mut *tx).await?;
            // In a statement of its own: the rows are of the time at which the next one begins.
            sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('tally.refresh_kpi_summary', 0))")
                .execute(&mut *tx)
                .await?;
            sqlx::query_scalar!("SELECT tally.refresh_kpi_summary()").fetch_one(&mut *tx).await?;
            pass::<sqlx::Error>(Point::KpiRefreshed)?;
        } else {
            sqlx::query_file!("../sql/cache/request_due_view.sql", KEY).fetch_one(&mut *tx).await?;
        }
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
