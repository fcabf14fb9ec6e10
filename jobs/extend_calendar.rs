//! `extend_calendar`: keeps every zone's calendar two years ahead.

use serde::{Deserialize, Serialize};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExtendCalendar {}

impl Job for ExtendCalendar {
    type State = Deps;
    const KIND: &'static str = "extend_calendar";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let mut tx = ctx.state.pool.begin().await?;
        let extended = sqlx::query_scalar!(r#"SELECT tally.extend_zones() AS "zones!""#).fetch_one(&mut *tx).await?;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        if extended > 0 {
            tracing::info!(zones = extended, "calendar extended");
        }
        Ok(())
    }
}
