//! The task that takes jobs back from processes that disappeared or hung.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    claimer::in_time,
    hint::Hint,
    store::{self, RescueTerms},
    telemetry::{Counters, FINISHED, db_error},
};

/// Ended leases are swept at every so many rounds.
const SWEEP_EVERY: u32 = 100;

/// Jobs past their deadline or of no lease, and permits that nothing holds, are
/// looked for as often as every so many rounds.
const THOROUGH_EVERY: u32 = 4;

/// It reads the whole table, and may cost this share of the time, in 1/n.
const THOROUGH_SHARE: u32 = 50;

/// A lease that ended is looked after in every round for so long: a claim under way
/// when it ended is written by then, or never. Thorough rounds know no such end.
const ATTENTION: Duration = Duration::from_secs(60);

pub(crate) struct Rescuer {
    pub(crate) db: PgPool,
    pub(crate) terms: RescueTerms,
    pub(crate) every: Duration,
    pub(crate) hint: Hint,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: CancellationToken,
}

/// What a rescuer remembers between rounds.
#[derive(Default)]
struct Memory {
    /// Ended leases, and when they were first seen to be.
    ended: HashMap<Uuid, Instant>,
    next_thorough: Option<Instant>,
}

impl Memory {
    /// Whether one of the ended leases may still hold something that no round found.
    fn is_called_for(&mut self, ended: &[Uuid], now: Instant) -> bool {
        self.ended.retain(|lease_id, _| ended.contains(lease_id));
        for lease_id in ended {
            self.ended.entry(*lease_id).or_insert(now);
        }
        self.ended.values().any(|first| now.duration_since(*first) < ATTENTION)
    }
}

impl Rescuer {
    /// Looks for lost jobs every so often until stopped.
    pub(crate) async fn run(self) {
        let mut round = 0_u32;
        let mut memory = Memory::default();
        while !self.stop.is_cancelled() {
            if let Err(error) = self.turn(round, &mut memory).await {
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

    async fn turn(&self, round: u32, memory: &mut Memory) -> Result<(), sqlx::Error> {
        if round.is_multiple_of(SWEEP_EVERY) {
            in_time(store::sweep_leases(&self.db)).await?;
        }
        let began = Instant::now();
        let ended = in_time(store::ended_leases(&self.db)).await?;
        let thorough = memory.next_thorough.is_none_or(|at| began >= at);
        if !memory.is_called_for(&ended, began) && !thorough {
            return Ok(());
        }
        if thorough {
            let leaked = in_time(store::free_permits(&self.db)).await?;
            if leaked > 0 {
                tracing::info!(leaked, "freed permits that no job holds");
                self.hint.ring();
            }
        }
        self.take_back(&RescueTerms { thorough, ..self.terms }).await?;
        if thorough {
            let wait = (self.every * THOROUGH_EVERY).max(began.elapsed() * THOROUGH_SHARE);
            memory.next_thorough = Some(began + wait);
        }
        Ok(())
    }

    /// Until nothing is left that could be taken.
    async fn take_back(&self, terms: &RescueTerms) -> Result<(), sqlx::Error> {
        loop {
            let rescued = store::rescue(&self.db, terms).await?;
            pass::<sqlx::Error>(Point::JobsRescued)?;
            for job in &rescued {
                self.counters.count_rescue(&job.cause);
                let outcome = if job.dead { "dead" } else { "lost" };
                metrics::counter!(FINISHED, "kind" => job.kind.clone(), "outcome" => outcome).increment(1);
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
            if i64::try_from(rescued.len()).unwrap_or(i64::MAX) < terms.limit {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broken by hand: with the time of the first sight set anew at every round, and with
    /// leases that are gone kept in mind.
    #[test]
    fn an_ended_lease_is_looked_after_for_a_minute() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(!memory.is_called_for(&[], start));
        for second in 0..60 {
            assert!(memory.is_called_for(&[one], start + Duration::from_secs(second)));
        }
        assert!(!memory.is_called_for(&[one], start + ATTENTION));
        assert!(memory.is_called_for(&[one, two], start + ATTENTION), "a new one");
        assert!(!memory.is_called_for(&[one], start + ATTENTION));
        memory.is_called_for(&[], start + ATTENTION);
        assert!(memory.ended.is_empty());
    }
}
