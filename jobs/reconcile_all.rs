//! `reconcile_all`: asks for the reconciliation of every tenant, by the clock.
//!
//! It only asks: each tenant has a job of its own, so that a provider that is away,
//! or one tenant's data, stops no other. Tenants that are not active are left out,
//! and so are those without an account, which are counted and shown.

use serde::{Deserialize, Serialize};
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;
use crate::admin_log::COMMAND_LINE;
use crate::reconcile_calls::ReconcileCalls;

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReconcileAll {}

impl Job for ReconcileAll {
    type State = Deps;
    const KIND: &'static str = "reconcile_all";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let mut tx = ctx.state.pool.begin().await?;
        let asked = sqlx::query_file!(
            "../sql/reconcile/request_all.sql",
            COMMAND_LINE,
            ReconcileCalls::QUEUE,
            i32::from(ReconcileCalls::PRIORITY),
            ReconcileCalls::MAX_ATTEMPTS,
        )
        .fetch_one(&mut *tx)
        .await?;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        tracing::info!(requests = asked.requests, without_account = asked.without, "asked for reconciliations");
        Ok(())
    }
}
