//! What one tenant's backlog does to another's single job.

use std::{sync::Arc, time::Instant};

use anyhow::Context;
use serde::Serialize;

use super::{completed, database, fill, run, warm_up};
use crate::system::{Ledger, System};

/// Seconds.
#[derive(Debug, Clone, Serialize)]
pub struct Fairness {
    /// In words.
    pub settings: String,
    /// From the commit of the single job to the first line of its handler.
    pub single_seconds: f64,
    /// From the start of the workers to the completion of all jobs.
    pub all_seconds: f64,
}

/// Fills the queue with `backlog` jobs, starts the workers, and adds one job of another tenant.
pub async fn measure(system: &dyn System, backlog: u32) -> anyhow::Result<Fairness> {
    let db = database(system).await?;
    let mut open = system.open(&db).await?;
    warm_up(&mut *open, &db.admin).await?;
    fill(&*open, backlog).await?;
    run(&db.admin, "VACUUM (ANALYZE)").await?;
    let ledger = Ledger::new(backlog + 1);
    let started = Instant::now();
    open.start(Arc::clone(&ledger)).await?;
    open.enqueue_of_another(backlog).await?;
    let committed = Instant::now();
    completed(&*open, &ledger).await?;
    let all_seconds = started.elapsed().as_secs_f64();
    open.stop().await?;
    ledger.check()?;
    let begun = ledger.begun_at(backlog).context("the single job did not run")?;
    Ok(Fairness {
        settings: system.settings(),
        single_seconds: begun.saturating_duration_since(committed).as_secs_f64(),
        all_seconds,
    })
}
