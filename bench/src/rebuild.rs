//! All figures of all calls, every grain, percentiles and distinct contacts: the
//! product's backfill by scan, beside GROUP BY in PostgreSQL; both fill the same
//! tables, two connections each. Besides, the computing alone: from Parquet, and
//! by the same GROUP BY without writing.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use tallyline_history::{Calendar, parquet, rebuild, scan_with_identities};
use tallyline_testkit::TestDb;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::stage;

const ZONES: [&str; 4] = ["Asia/Kolkata", "America/New_York", "Europe/Berlin", "UTC"];
const FIRST_DAY: &str = "2026-01-01";
const WORKERS: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Calls in all
    #[arg(long, default_value_t = 10_000_000)]
    calls: i64,
    #[arg(long, default_value_t = 20)]
    tenants: i64,
    /// Local days over which they are spread
    #[arg(long, default_value_t = 90)]
    days: i64,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Start, end, local date, local hour.
type Bucket = (DateTime<Utc>, DateTime<Utc>, chrono::NaiveDate, Option<i32>);

struct Tenant {
    user_id: Uuid,
    zone: &'static str,
}

/// Fills a database and rebuilds it by each way.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let db = Arc::new(TestDb::try_new().await?);
    let mut tenants = Vec::new();
    for n in 0..args.tenants {
        let zone = ZONES[usize::try_from(n)? % ZONES.len()];
        let user_id = stage::tenant(&db, zone, 4).await?;
        stage::fill(&db, user_id, zone, FIRST_DAY, args.days, args.calls / args.tenants).await?;
        tenants.push(Tenant { user_id, zone });
    }
    let tenants = Arc::new(tenants);
    sqlx::query("VACUUM ANALYZE").execute(&db.admin).await?;
    println!("{} calls of {} tenants over {} days", args.calls, args.tenants, args.days);

    let group_by = timed(group_by(&db, &tenants, true)).await?;
    let expected = digest(&db).await?;
    println!("GROUP BY in PostgreSQL, tables filled       {group_by:>8.1} s");
    empty(&db).await?;
    let scan = timed(stage::backfill_by_scan(&db, WORKERS)).await?;
    println!("backfill by scan, tables filled             {scan:>8.1} s   {:.1} ×", group_by / scan);
    let same = expected == digest(&db).await?;
    println!("the figures are {}", if same { "the same" } else { "NOT the same" });
    let group_by_alone = timed(self::group_by(&db, &tenants, false)).await?;
    println!("GROUP BY alone                              {group_by_alone:>8.1} s");
    let folder = tempfile::tempdir()?;
    let files = to_parquet(&db, &tenants, folder.path()).await?;
    let from_parquet = timed(compute(files)).await?;
    println!(
        "computed from Parquet                       {from_parquet:>8.1} s   {:.1} ×",
        group_by_alone / from_parquet
    );
    let memory = stage::peak_memory_bytes();
    println!("most memory of this process                 {:>8.0} MiB", memory.unwrap_or(0) as f64 / 1_048_576.0);
    if args.json {
        let line = serde_json::json!({ "bench": "rebuild", "calls": args.calls, "tenants": args.tenants, "days": args.days,
            "group_by_seconds": group_by, "scan_seconds": scan, "group_by_alone_seconds": group_by_alone,
            "parquet_seconds": from_parquet, "same": same, "peak_memory_bytes": memory,
            "ratios": { "postgres": group_by / scan, "parquet": group_by_alone / from_parquet } });
        println!("{line}");
    }
    Ok(same)
}

async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed().as_secs_f64())
}

/// The peer: quarters by one GROUP BY over a tenant's calls, the larger buckets
/// from the smaller by the product's own statements, everything in sets.
async fn group_by(db: &Arc<TestDb>, tenants: &Arc<Vec<Tenant>>, writing: bool) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for worker in 0..WORKERS {
        let (db, tenants) = (Arc::clone(db), Arc::clone(tenants));
        tasks.spawn(async move {
            for tenant in tenants.iter().skip(worker).step_by(WORKERS) {
                group_tenant(&db, tenant, writing).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn group_tenant(db: &TestDb, tenant: &Tenant, writing: bool) -> anyhow::Result<()> {
    let mut tx = db.admin.begin().await?;
    sqlx::query("SET LOCAL work_mem = '256MB'").execute(&mut *tx).await?;
    if !writing {
        for tier in 0..4 {
            sqlx::query(include_str!("../sql/group_by_alone.sql"))
                .bind(tenant.user_id)
                .bind(tier)
                .execute(&mut *tx)
                .await?;
        }
        return Ok(());
    }
    sqlx::query(include_str!("../sql/group_by_quarters.sql")).bind(tenant.user_id).execute(&mut *tx).await?;
    let larger = [
        (
            1,
            include_str!("../../sql/rollup/hour_agent_upsert.sql"),
            include_str!("../../sql/rollup/hour_user_upsert.sql"),
        ),
        (
            2,
            include_str!("../../sql/rollup/day_agent_upsert.sql"),
            include_str!("../../sql/rollup/day_user_upsert.sql"),
        ),
        (
            3,
            include_str!("../../sql/rollup/month_agent_upsert.sql"),
            include_str!("../../sql/rollup/month_user_upsert.sql"),
        ),
    ];
    for (tier, agents, users) in larger {
        let buckets: Vec<Bucket> = sqlx::query_as(include_str!("../sql/buckets_with_quarters.sql"))
            .bind(tenant.user_id)
            .bind(tenant.zone)
            .bind(tier)
            .fetch_all(&mut *tx)
            .await?;
        let count = buckets.len();
        for statement in [agents, users] {
            sqlx::query(statement)
                .bind(vec![tenant.user_id; count])
                .bind(buckets.iter().map(|b| b.0).collect::<Vec<_>>())
                .bind(buckets.iter().map(|b| b.1).collect::<Vec<_>>())
                .bind(vec![tenant.zone; count])
                .bind(buckets.iter().map(|b| b.2).collect::<Vec<_>>())
                .bind(buckets.iter().map(|b| b.3).collect::<Vec<_>>())
                .bind(vec![1_i64; count])
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Every figure of every row, in order, as one text.
async fn digest(db: &TestDb) -> anyhow::Result<String> {
    Ok(sqlx::query_scalar(include_str!("../sql/figures_digest.sql")).fetch_one(&db.admin).await?)
}

async fn empty(db: &TestDb) -> anyhow::Result<()> {
    for table in [
        "TRUNCATE tally.quarter_rollups, public.user_analytics, public.agent_analytics",
        "TRUNCATE tally.rollup_marks, tally.rollup_buckets",
        "VACUUM ANALYZE",
    ] {
        sqlx::query(table).execute(&db.admin).await?;
    }
    Ok(())
}

/// A file a tenant and month of 31 days, as far as they go.
async fn to_parquet(
    db: &TestDb,
    tenants: &[Tenant],
    folder: &std::path::Path,
) -> anyhow::Result<Vec<(std::path::PathBuf, Calendar)>> {
    let mut files = Vec::new();
    for tenant in tenants {
        let mut tx = db.pool.begin().await?;
        let calendar = Calendar::load(&mut tx, tenant.zone).await?;
        for month in calendar.months() {
            let bounds = (
                DateTime::from_timestamp_micros(month.start_micros),
                DateTime::from_timestamp_micros(month.end_micros),
            );
            let (Some(from), Some(to)) = bounds else { continue };
            let calls = scan_with_identities(&mut tx, tenant.user_id, from, to).await?;
            if calls.is_empty() {
                continue;
            }
            let metadata = parquet::Metadata {
                user_id: tenant.user_id,
                month: month.date,
                zone: tenant.zone.to_owned(),
                start_micros: month.start_micros,
                end_micros: month.end_micros,
                sums: parquet::Sums::of(&calls)?,
            };
            let mut writer = parquet::MonthWriter::create(folder, metadata)?;
            writer.write(&calls)?;
            let path = writer.finish()?;
            files.push((path, calendar.clone()));
        }
    }
    Ok(files)
}

async fn compute(files: Vec<(std::path::PathBuf, Calendar)>) -> anyhow::Result<()> {
    let files = Arc::new(files);
    let mut tasks = JoinSet::new();
    for worker in 0..WORKERS {
        let files = Arc::clone(&files);
        tasks.spawn_blocking(move || {
            for (path, calendar) in files.iter().skip(worker).step_by(WORKERS) {
                let (_, calls) = parquet::read(path)?;
                let rows = rebuild::rows(&calls, calendar)?;
                anyhow::ensure!(!rows.table(tallyline_history::Grain::Quarter).is_empty(), "a file without figures");
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
