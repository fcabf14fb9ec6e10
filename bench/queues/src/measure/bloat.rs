//! What a job costs beyond its time: WAL bytes and dead tuples, without and
//! with an old snapshot that keeps the dead from being cleared away; and how
//! fast the queue still is after many jobs under such a snapshot.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde::Serialize;
use sqlx::{Connection, PgConnection, PgPool};
use tallyline_testkit::TestDb;

use super::{completed, database, fill, run, warm_up};
use crate::{
    stats::Rounds,
    system::{Ledger, System},
};

/// Drains after the churn; the median counts.
const DRAINS: usize = 3;

/// Autovacuum would come once a minute, in the middle of something.
const NO_AUTOVACUUM: &str = include_str!("../../sql/no_autovacuum.sql");

/// Both states of one system.
#[derive(Debug, Clone, Serialize)]
pub struct Bloat {
    /// In words.
    pub settings: String,
    /// Nobody looks back.
    pub free: Cost,
    /// Under a snapshot from before the first job.
    pub pinned: Cost,
}

impl Bloat {
    /// Jobs per second under the snapshot, as a share of those without.
    pub fn retained(&self) -> f64 {
        self.pinned.drain.median / self.free.drain.median
    }
}

/// Per job that was enqueued and run, and what came after.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// Bytes of WAL.
    pub wal_bytes_per_job: f64,
    /// The same without images of full pages; none where the server cannot tell.
    pub wal_bytes_per_job_without_page_images: Option<f64>,
    /// Dead tuples that lie in the tables afterwards.
    pub dead_tuples_per_job: f64,
    /// Jobs per second of a filled queue, after the churn and a `VACUUM`.
    pub drain: Rounds,
}

/// `churn` jobs for the costs, then some drains of `jobs` for the speed.
pub async fn measure(system: &dyn System, churn: u32, jobs: u32) -> anyhow::Result<Bloat> {
    let free = cost(system, churn, jobs, false).await?;
    let pinned = cost(system, churn, jobs, true).await?;
    Ok(Bloat { settings: system.settings(), free, pinned })
}

async fn cost(system: &dyn System, churn: u32, jobs: u32, is_pinned: bool) -> anyhow::Result<Cost> {
    let db = database(system).await?;
    let mut open = system.open(&db).await?;
    run(&db.admin, NO_AUTOVACUUM).await?;
    warm_up(&mut *open, &db.admin).await?;
    drop(open);
    let dead_before = dead_tuples(&db).await?;
    let snapshot = if is_pinned { Some(pin(&db).await?) } else { None };

    let mut open = system.open(&db).await?;
    let before = wal_position(&db.admin).await?;
    let ledger = Ledger::new(churn);
    open.start(Arc::clone(&ledger)).await?;
    fill(&*open, churn).await?;
    completed(&*open, &ledger).await?;
    open.stop().await?;
    ledger.check()?;
    let wal = wal_since(&db.admin, &before).await?;
    drop(open);
    let dead = dead_tuples(&db).await? - dead_before;

    run(&db.admin, "VACUUM").await?;
    let mut rates = Vec::new();
    let mut open = system.open(&db).await?;
    for _ in 0..DRAINS {
        fill(&*open, jobs).await?;
        run(&db.admin, "ANALYZE").await?;
        let ledger = Ledger::new(jobs);
        let started = Instant::now();
        open.start(Arc::clone(&ledger)).await?;
        completed(&*open, &ledger).await?;
        rates.push(f64::from(jobs) / started.elapsed().as_secs_f64());
        open.stop().await?;
        ledger.check()?;
    }
    if let Some(snapshot) = snapshot {
        snapshot.close().await.context("the old snapshot was lost")?;
    }
    Ok(Cost {
        wal_bytes_per_job: wal.bytes / f64::from(churn),
        wal_bytes_per_job_without_page_images: wal.page_images.map(|images| (wal.bytes - images) / f64::from(churn)),
        dead_tuples_per_job: dead / f64::from(churn),
        drain: Rounds::of(rates).context("no drains")?,
    })
}

/// A transaction that goes on looking at the database as it is now.
async fn pin(db: &TestDb) -> anyhow::Result<PgConnection> {
    let mut connection = PgConnection::connect(&db.admin_url).await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

struct Wal {
    bytes: f64,
    /// Bytes of them that are images of full pages.
    page_images: Option<f64>,
}

async fn wal_position(db: &PgPool) -> anyhow::Result<String> {
    // The inspector, where it is installed, counts page images apart.
    let _ = run(db, "CREATE EXTENSION IF NOT EXISTS pg_walinspect").await;
    Ok(sqlx::query_scalar("SELECT pg_current_wal_insert_lsn()::text").fetch_one(db).await?)
}

async fn wal_since(db: &PgPool, before: &str) -> anyhow::Result<Wal> {
    let bytes: f64 = sqlx::query_scalar("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::float8")
        .bind(before)
        .fetch_one(db)
        .await?;
    let images = "SELECT sum(fpi_size)::float8 FROM pg_get_wal_stats($1::pg_lsn, pg_current_wal_flush_lsn(), true)";
    let page_images = sqlx::query_scalar(images).bind(before).fetch_one(db).await.ok();
    Ok(Wal { bytes, page_images })
}

/// Dead tuples of all tables, once nobody is connected as administrator but the
/// measurement: backends tell of theirs at the latest when they end.
async fn dead_tuples(db: &TestDb) -> anyhow::Result<f64> {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND state = 'idle' AND application_name = ''";
    let deadline = Instant::now() + Duration::from_secs(15);
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&db.admin).await? > 0 {
        ensure!(Instant::now() < deadline, "connections stay open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let dead = sqlx::query_scalar("SELECT coalesce(sum(n_dead_tup), 0)::float8 FROM pg_stat_user_tables");
    dead.fetch_one(&db.admin).await.context("dead tuples")
}
