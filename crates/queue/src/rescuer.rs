//! The task that takes jobs back from processes that disappeared or hung.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tokio_util::sync::CancellationToken;

use crate::{
    claimer::in_time,
    hint::Hint,
    store::{self, RescueTerms},
    telemetry::{Counters, FINISHED, db_error},
};

/// Ended leases are swept at every so many rounds.
const SWEEP_EVERY: u32 = 100;

/// Jobs past their deadline, and permits that nothing holds, are looked for at
/// every so many rounds; that reads every claim there is.
const THOROUGH_EVERY: u32 = 4;

pub(crate) struct Rescuer {
    pub(crate) db: PgPool,
    pub(crate) terms: RescueTerms,
    pub(crate) every: Duration,
    pub(crate) hint: Hint,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: CancellationToken,
}

impl Rescuer {
    /// Looks for lost jobs every so often until stopped.
    pub(crate) async fn run(self) {
        let mut round = 0_u32;
        while !self.stop.is_cancelled() {
            if let Err(error) = self.turn(round).await {
                db_error("rescue", &error);
            }
            round = round.wrapping_add(1);
            // Spread, so that processes do not all look at once.
            let wait = self.every.mul_f64(0.75 + 0.5 * rand::random::<f64>());
            if self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    async fn turn(&self, round: u32) -> Result<(), sqlx::Error> {
        if round.is_multiple_of(SWEEP_EVERY) {
            in_time(store::sweep_leases(&self.db)).await?;
        }
        let terms = RescueTerms { thorough: round.is_multiple_of(THOROUGH_EVERY), ..self.terms };
        if terms.thorough {
            let leaked = in_time(store::free_permits(&self.db)).await?;
            if leaked > 0 {
                tracing::info!(leaked, "freed permits that no job holds");
                self.hint.ring();
            }
        }
        loop {
            let rescued = in_time(store::rescue(&self.db, &terms)).await?;
            pass::<sqlx::Error>(Point::JobsRescued)?;
            for job in &rescued {
                self.counters.count_rescue(&job.cause);
                let outcome = if job.dead { "dead" } else { "lost" };
                metrics::counter!(FINISHED, "job" => job.kind.clone(), "outcome" => outcome).increment(1);
                tracing::warn!(
                    job_id = job.job_id,
                    kind = job.kind,
                    cause = job.cause,
                    dead = job.dead,
                    "job taken back"
                );
            }
            if !rescued.is_empty() {
                self.hint.ring();
            }
            if i64::try_from(rescued.len()).unwrap_or(i64::MAX) < self.terms.limit {
                return Ok(());
            }
        }
    }
}
