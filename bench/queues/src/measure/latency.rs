//! From the commit of an enqueue to the first line of its handler, at a steady rate.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;

use super::{completed, database, warm_up};
use crate::{
    stats::Quantiles,
    system::{Ledger, Open, System},
};

/// Milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// In words.
    pub settings: String,
    /// From commit to handler.
    pub pick_up: Quantiles,
    /// From the moment a job was due to be enqueued to its commit.
    pub enqueue: Quantiles,
}

/// Offers `per_second` jobs a second for a while, each in its own transaction.
pub async fn measure(system: &dyn System, per_second: u32, seconds: u32) -> anyhow::Result<Latency> {
    let db = database(system).await?;
    let mut open = system.open(&db).await?;
    warm_up(&mut *open, &db.admin).await?;
    // The first second is for waking up.
    let (ignored, jobs) = (per_second, per_second * (seconds + 1));
    let ledger = Ledger::new(jobs);
    open.start(Arc::clone(&ledger)).await?;
    let offered = offer(&*open, per_second, jobs).await?;
    completed(&*open, &ledger).await?;
    open.stop().await?;
    ledger.check()?;

    let mut pick_up = Vec::new();
    let mut enqueue = Vec::new();
    for Offered { n, due, committed } in offered.into_iter().filter(|offered| offered.n >= ignored) {
        let begun = ledger.begun_at(n).context("not run")?;
        // A handler may begin before whoever enqueued hears of its commit.
        pick_up.push(begun.saturating_duration_since(committed).as_secs_f64() * 1e3);
        enqueue.push(committed.saturating_duration_since(due).as_secs_f64() * 1e3);
    }
    Ok(Latency {
        settings: system.settings(),
        pick_up: Quantiles::of(pick_up).context("no jobs")?,
        enqueue: Quantiles::of(enqueue).context("no jobs")?,
    })
}

struct Offered {
    n: u32,
    due: Instant,
    committed: Instant,
}

/// Enqueues the jobs `0..jobs`, each when it is due, however long others take.
async fn offer(open: &dyn Open, per_second: u32, jobs: u32) -> anyhow::Result<Vec<Offered>> {
    let start = Instant::now() + Duration::from_millis(100);
    let mut offered = Vec::with_capacity(jobs as usize);
    let mut running = FuturesUnordered::new();
    for n in 0..jobs {
        let due = start + Duration::from_secs(1) * n / per_second;
        let waiting = tokio::time::sleep_until(due.into());
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                () = &mut waiting => break,
                Some(done) = running.next() => offered.push(done?),
            }
        }
        running.push(async move {
            open.enqueue_one(n).await?;
            anyhow::Ok(Offered { n, due, committed: Instant::now() })
        });
    }
    while let Some(done) = running.next().await {
        offered.push(done?);
    }
    Ok(offered)
}
