//! `tallyline verify`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

use super::Outcome;
use super::context::Database;
use super::table::grouped;
use crate::config::Config;
use crate::ledger::{self, Ledger};
use tallyline_jobs::verify::{self, VerifyOptions};

/// Differences that are printed; the rest is counted.
const SHOWN: usize = 50;
/// Between two looks at what still waits.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this tenant
    #[arg(long)]
    tenant: Option<Uuid>,
    /// Only from the local day of this instant on (RFC 3339)
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// Only up to this instant
    #[arg(long)]
    to: Option<DateTime<Utc>>,
    /// Only so many percent of each tenant's months
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    sample: Option<f64>,
    /// Which months `--sample` takes
    #[arg(long, default_value_t = 0, requires = "sample")]
    seed: u64,
    /// Compare with what a simulation wrote down, too
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Seconds to wait until nothing waits to be applied or recomputed
    #[arg(long, default_value_t = 120)]
    wait: u64,
    /// Mark the buckets that differ, so that they are recomputed
    #[arg(long)]
    repair: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = check(&pool, &args).await;
    pool.close().await;
    database.close().await?;
    outcome
}

async fn check(pool: &PgPool, args: &Args) -> anyhow::Result<Outcome> {
    let settled = wait_until_settled(pool, Duration::from_secs(args.wait)).await?;
    if !settled && !args.json {
        println!("still waiting after {} s: is a worker running? Marked buckets are skipped.", args.wait);
    }
    let sample = args.sample.map(|percent| verify::Sample { percent, seed: args.seed });
    let options = VerifyOptions { tenant: args.tenant, from: args.from, to: args.to, sample };
    let report = verify::verify(pool, options, |_| {}).await?;
    let mut lines: Vec<String> = report.differences.iter().map(verify::Difference::describe).collect();
    let against_ledger = match &args.ledger {
        Some(file) => compare_ledger(pool, file).await?,
        None => Vec::new(),
    };
    lines.extend(against_ledger);
    if args.repair && !report.is_clean() {
        verify::mark_differences(pool, &report).await?;
    }
    let clean = lines.is_empty() && (settled || args.ledger.is_none());
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "clean": clean, "settled": settled, "tenants_checked": report.tenants_checked,
                "buckets_checked": report.buckets_checked, "skipped_dirty": report.skipped_dirty,
                "differences": lines, "differences_omitted": report.differences_omitted,
                "months_checked": report.stretches_checked, "months_left_out": report.stretches_left_out,
                "details": report.differences })
        );
    } else {
        print_report(&report, &lines, args.ledger.as_deref());
    }
    Ok(if clean { Outcome::Fine } else { Outcome::ProblemsFound })
}

fn print_report(report: &verify::VerifyReport, lines: &[String], ledger: Option<&Path>) {
    for line in lines.iter().take(SHOWN) {
        println!("{line}");
    }
    if lines.len() > SHOWN {
        println!("… and {} more", lines.len() - SHOWN);
    }
    if report.stretches_left_out > 0 {
        println!(
            "{} of {} months taken",
            report.stretches_checked,
            report.stretches_checked + report.stretches_left_out
        );
    }
    println!(
        "{} tenants, {} buckets compared with their calls, {} skipped as marked{}: {} differences",
        report.tenants_checked,
        grouped(i64::try_from(report.buckets_checked).unwrap_or(i64::MAX)),
        report.skipped_dirty,
        ledger.map(|file| format!(", {} compared", file.display())).unwrap_or_default(),
        lines.len() + report.differences_omitted
    );
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if 0.0 < percent && percent <= 100.0 => Ok(percent),
        _ => Err("not a percentage above 0 and up to 100".to_owned()),
    }
}

async fn compare_ledger(pool: &PgPool, file: &Path) -> anyhow::Result<Vec<String>> {
    let ledger = Ledger::read(file)?;
    Ok(ledger::compare(pool, &ledger).await?.iter().map(ToString::to_string).collect())
}

/// Whether all events are applied, all analyses made and all marks consumed, within
/// `limit`. What waits by intention (an event for its call, an analysis for another
/// attempt or the next day) is not waited for.
pub(super) async fn wait_until_settled(pool: &PgPool, limit: Duration) -> Result<bool, sqlx::Error> {
    let deadline = Instant::now() + limit;
    loop {
        let left = sqlx::query_file!("sql/verify/unsettled.sql").fetch_one(pool).await?.unsettled;
        if !left {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
