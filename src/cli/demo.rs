//! `tallyline demo`: everything at once, from an empty folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use sqlx::PgPool;

use super::context::Database;
use super::provision::provision;
use super::simulate::{now, progress_bar, show};
use super::table::{grouped, micros, percent, table};
use super::verify::wait_until_settled;
use super::{Outcome, announce, desk};
use crate::config::Config;
use crate::daemon::{Daemon, Role, sealing_key};
use crate::ledger::{self, Ledger};
use crate::life::signals::Signals;
use crate::simulate::{self, SimulateOptions};
use crate::telemetry;
use tallyline_jobs::verify::{self, VerifyOptions};

/// Longest wait until everything that was sent is counted.
const SETTLE_LIMIT: Duration = Duration::from_secs(600);
/// Differences that are printed.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Calls to make up
    #[arg(long, default_value_t = 2000)]
    calls: u64,
    /// Tenants to create
    #[arg(long, default_value_t = 4)]
    tenants: usize,
    /// Same seed, same traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after the check instead of serving the page
    #[arg(long)]
    exit: bool,
}

pub(super) async fn run(mut config: Config, args: Args) -> anyhow::Result<Outcome> {
    let metrics = telemetry::metrics::install()?;
    let database = Database::open(&config).await?;
    println!(
        "database  {}",
        if database.is_embedded() { "embedded, for this demonstration" } else { "the configured one" }
    );
    // Somebody tries it out on this machine: nothing to guard, nothing to remember.
    config.dashboard.login = false;
    if args.exit {
        // Nobody looks at the page: any free port will do.
        config.http.listen = "127.0.0.1:0".to_owned();
    }
    if config.http.public_origin.is_empty() {
        // A fixed name: the carrier's signature covers it, the port is chosen later.
        config.http.public_origin = "http://demo.localhost".to_owned();
    }
    let config = Arc::new(config);
    let daemon = match Daemon::start(Arc::clone(&config), &database.url, &Role::ALL, metrics).await {
        Ok(daemon) => daemon,
        Err(error) => {
            database.close().await?;
            return Err(error);
        }
    };
    let outcome = drive(&config, &daemon, &args).await;
    let clean = matches!(outcome, Ok(Outcome::Fine));
    if clean && !args.exit {
        println!("\nThe page: http://{}/   (Ctrl-C ends it)", daemon.address);
        Signals::listen()?.next().await;
    }
    daemon.stop().await?;
    database.close().await?;
    outcome
}

async fn drive(config: &Config, daemon: &Daemon, args: &Args) -> anyhow::Result<Outcome> {
    let key = sealing_key(config)?;
    let targets = provision(&daemon.pool, &key, args.tenants, None).await?;
    println!("tenants   {} in {}", targets.len(), zones(&targets));
    desk::buy_credits(&daemon.pool, &targets, args.calls).await?;
    let options = SimulateOptions {
        url: format!("http://{}", daemon.address),
        public_origin: config.public_origin(),
        calls: args.calls,
        rate: None,
        duplicates: 0.05,
        reorder: 0.10,
        late: 0.02,
        withheld: 0.0,
        seed: args.seed,
        concurrency: 32,
        now: now(),
        days: 45,
        history: None,
    };
    let bar = progress_bar("sending");
    let ledger = simulate::run(&targets, options, None, |progress| show(&bar, progress)).await?;
    bar.finish_and_clear();
    println!(
        "sent      {} webhooks over HTTP, {} of them different; 5 % twice, 10 % of the calls shuffled, 2 % late",
        grouped(i64::try_from(ledger.events_sent)?),
        grouped(i64::try_from(ledger.distinct_events)?)
    );
    if !wait_until_settled(&daemon.pool, SETTLE_LIMIT).await? {
        bail!("not everything was counted within {} s", SETTLE_LIMIT.as_secs());
    }
    desk::customers_and_follow_ups(&daemon.pool, &targets).await?;
    // The clock asks for trends every quarter of an hour; nobody watches a demonstration for so long.
    sqlx::query!("SELECT tally.request_job('rebuild_all_dashboards', 'demo')").fetch_one(&daemon.pool).await?;
    announce::jobs(config, &daemon.pool).await;
    let outcome = check(&daemon.pool, &ledger).await?;
    print_summary(&daemon.pool, &ledger).await?;
    Ok(outcome)
}

fn zones(targets: &[simulate::Target]) -> String {
    let mut zones: Vec<&str> = targets.iter().map(|t| t.timezone.as_str()).collect();
    zones.dedup();
    zones.join(", ")
}

async fn check(pool: &PgPool, ledger: &Ledger) -> anyhow::Result<Outcome> {
    let against_ledger = ledger::compare(pool, ledger).await?;
    let report = verify::verify(pool, VerifyOptions::default(), |_| {}).await?;
    for difference in against_ledger.iter().take(SHOWN) {
        println!("{difference}");
    }
    for difference in report.differences.iter().take(SHOWN) {
        println!("{}", difference.describe());
    }
    println!(
        "verified  {} buckets against their calls, {} tenants against what was sent: {} differences",
        grouped(i64::try_from(report.buckets_checked)?),
        ledger.tenants.len(),
        against_ledger.len() + report.differences.len()
    );
    let clean = against_ledger.is_empty() && report.is_clean();
    Ok(if clean { Outcome::Fine } else { Outcome::ProblemsFound })
}

/// The stored figures of each tenant, all months together.
async fn print_summary(pool: &PgPool, ledger: &Ledger) -> anyhow::Result<()> {
    let ids: Vec<_> = ledger.tenants.iter().map(|t| t.user_id).collect();
    let rows = sqlx::query_file!("sql/verify/demo_summary.sql", &ids).fetch_all(pool).await?;
    let by_id: BTreeMap<_, _> = rows.into_iter().map(|row| (row.user_id, row)).collect();
    let header = ["tenant", "zone", "calls", "answered", "rate", "minutes", "leads", "qualified", "credits", "cost"];
    let mut table = table(&header, 2);
    for id in &ids {
        let Some(row) = by_id.get(id) else { continue };
        table.add_row([
            row.name.clone(),
            row.timezone.clone(),
            grouped(row.calls),
            grouped(row.answered),
            percent(row.answered, row.calls),
            grouped(row.minutes),
            grouped(row.leads),
            grouped(row.qualified),
            micros(row.credits_micros),
            format!("{} {}", micros(row.cost_micros), row.currency),
        ]);
    }
    println!("\n{table}");
    Ok(())
}
