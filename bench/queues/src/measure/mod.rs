//! The measurements.

pub mod throughput;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sqlx::PgPool;
use tallyline_testkit::TestDb;

use crate::system::{ENQUEUE_BATCH, Ledger, Open, System};

/// A run that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(300);

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

/// Waits until every job of the ledger has run and is completed for good.
async fn completed(system: &dyn System, db: &PgPool, ledger: &Ledger) -> anyhow::Result<()> {
    let begun = ledger.all_begun(LIMIT).await;
    if !begun {
        ledger.check().context("gave up waiting")?;
    }
    let deadline = Instant::now() + LIMIT;
    while sqlx::query_scalar::<_, bool>(system.unfinished()).fetch_one(db).await? {
        ensure!(Instant::now() < deadline, "jobs that ran were never completed");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// As the background would have it by and by, so that chance does not decide
/// in the middle of what measurement it comes.
async fn tidy(db: &PgPool) -> anyhow::Result<()> {
    for statement in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
        sqlx::raw_sql(statement).execute(db).await.with_context(|| statement.to_owned())?;
    }
    Ok(())
}
