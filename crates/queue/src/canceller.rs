//! The task that ends runs which somebody asked to cancel, here or elsewhere.

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    claimer::{InFlight, in_time},
    hint::HintListener,
    lease::Leases,
    store,
    telemetry::db_error,
    timing::POLL_GREATEST,
};

pub(crate) struct Canceller {
    pub(crate) db: PgPool,
    pub(crate) leases: Leases,
    pub(crate) in_flight: InFlight,
    pub(crate) hint: HintListener,
    pub(crate) stop: CancellationToken,
}

impl Canceller {
    /// Looks for requests every second, and when hinted, until stopped.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let turn = self.turn();
            if stop.run_until_cancelled(turn).await.is_none() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL_GREATEST) => {}
                () = self.hint.rung() => {}
            }
        }
    }

    async fn turn(&self) {
        let lease = self.leases.borrow().clone();
        let Some(lease) = lease else { return };
        if self.in_flight.is_empty() {
            return;
        }
        match in_time(store::requested_cancels(&self.db, lease.id)).await {
            Ok(claims) => claims.into_iter().for_each(|(job_id, claim)| self.in_flight.cancel(job_id, claim)),
            Err(error) => db_error("cancel", &error),
        }
    }
}
