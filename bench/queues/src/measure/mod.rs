//! The measurements.

pub mod bloat;
pub mod fairness;
pub mod latency;
pub mod throughput;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use sqlx::PgPool;
use tallyline_testkit::TestDb;

use crate::system::{ENQUEUE_BATCH, Ledger, Open, System};

/// Jobs that run before a measurement begins.
const WARM_UP_JOBS: u32 = 5_000;

/// A database of its own, with what the system needs.
async fn database(system: &dyn System) -> anyhow::Result<TestDb> {
    Ok(if system.is_ours() { TestDb::try_new().await? } else { TestDb::unmigrated().await })
}

/// Enqueues the jobs `0..jobs`, batch by batch.
async fn fill(open: &dyn Open, jobs: u32) -> anyhow::Result<()> {
    for first in (0..jobs).step_by(ENQUEUE_BATCH as usize) {
        open.enqueue(first..(first + ENQUEUE_BATCH).min(jobs)).await?;
    }
    Ok(())
}

/// Waits until every job of the ledger has run and is completed for good; gives
/// up on a system that does fewer than 500 a second after half a minute.
async fn completed(open: &dyn Open, ledger: &Ledger) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30) + Duration::from_millis(2) * ledger.jobs();
    if !ledger.all_begun(deadline).await {
        ledger.check().context("gave up waiting")?;
    }
    while !open.is_finished().await? {
        ensure!(Instant::now() < deadline, "jobs that ran were never completed");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Lets a queue be one that has been in use: it worked through some jobs, and
/// the planner has seen it filled. A system whose tables were analysed empty
/// keeps plans for empty tables until the next `ANALYZE`, which is a minute away.
async fn warm_up(open: &mut dyn Open, db: &PgPool) -> anyhow::Result<()> {
    fill(open, WARM_UP_JOBS).await?;
    run(db, "ANALYZE").await?;
    let ledger = Ledger::new(WARM_UP_JOBS);
    open.start(Arc::clone(&ledger)).await?;
    completed(open, &ledger).await?;
    open.stop().await?;
    run(db, "CHECKPOINT").await
}

async fn run(db: &PgPool, statement: &'static str) -> anyhow::Result<()> {
    sqlx::raw_sql(statement).execute(db).await.context(statement)?;
    Ok(())
}
