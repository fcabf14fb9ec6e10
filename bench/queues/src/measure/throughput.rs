//! Jobs per second: enqueued alone, drained alone, and both at once.

use std::{sync::Arc, time::Instant};

use serde::Serialize;

use super::{completed, database, fill, run, warm_up};
use crate::{
    stats::Rounds,
    system::{Ledger, System},
};

/// Jobs per second of one round.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    enqueue: f64,
    drain: f64,
    end_to_end: f64,
}

/// Jobs per second of all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Throughput {
    /// In words.
    pub settings: String,
    /// In bulk, without workers.
    pub enqueue: Rounds,
    /// Of a filled queue, until the last is completed.
    pub drain: Rounds,
    /// With workers that run, from the first enqueued to the last completed.
    pub end_to_end: Rounds,
}

impl Throughput {
    /// `None` of no rounds.
    pub fn of(rounds: &[Round], settings: String) -> Option<Self> {
        Some(Self {
            settings,
            enqueue: Rounds::of(rounds.iter().map(|round| round.enqueue))?,
            drain: Rounds::of(rounds.iter().map(|round| round.drain))?,
            end_to_end: Rounds::of(rounds.iter().map(|round| round.end_to_end))?,
        })
    }
}

/// One round of one system, on new databases.
pub async fn round(system: &dyn System, jobs: u32) -> anyhow::Result<Round> {
    let end_to_end = end_to_end(system, jobs).await?;
    let db = database(system).await?;
    let mut open = system.open(&db).await?;
    warm_up(&mut *open, &db.admin).await?;
    let started = Instant::now();
    fill(&*open, jobs).await?;
    let enqueue = per_second(jobs, started);

    // By now the background would have done so too.
    run(&db.admin, "VACUUM (ANALYZE)").await?;
    run(&db.admin, "CHECKPOINT").await?;
    let ledger = Ledger::new(jobs);
    let started = Instant::now();
    open.start(Arc::clone(&ledger)).await?;
    completed(&*open, &ledger).await?;
    let drain = per_second(jobs, started);
    open.stop().await?;
    ledger.check()?;
    Ok(Round { enqueue, drain, end_to_end })
}

/// Jobs per second from the first enqueued to the last completed, on a new database.
pub async fn end_to_end(system: &dyn System, jobs: u32) -> anyhow::Result<f64> {
    let db = database(system).await?;
    let mut open = system.open(&db).await?;
    warm_up(&mut *open, &db.admin).await?;
    let ledger = Ledger::new(jobs);
    open.start(Arc::clone(&ledger)).await?;
    let started = Instant::now();
    fill(&*open, jobs).await?;
    completed(&*open, &ledger).await?;
    let rate = per_second(jobs, started);
    open.stop().await?;
    ledger.check()?;
    Ok(rate)
}

fn per_second(jobs: u32, started: Instant) -> f64 {
    f64::from(jobs) / started.elapsed().as_secs_f64()
}
