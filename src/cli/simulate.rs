//! `tallyline simulate`.

use std::path::PathBuf;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;
use super::context::Database;
use super::provision::provision;
use super::table::grouped;
use crate::config::Config;
use crate::daemon::sealing_key;
use crate::simulate::{self, Progress, SimulateOptions, Target, parse_percent};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Receiver to drive [default: the configured address]
    #[arg(long)]
    url: Option<String>,
    /// Calls to make up; an answered call is some five webhooks
    #[arg(long, default_value_t = 1000)]
    calls: u64,
    /// Calls begun per second [default: as fast as answers come]
    #[arg(long)]
    rate: Option<f64>,
    /// Share of webhooks sent twice
    #[arg(long, default_value = "2%", value_parser = percent)]
    duplicates: f64,
    /// Share of calls whose webhooks are shuffled
    #[arg(long, default_value = "5%", value_parser = percent)]
    reorder: f64,
    /// Share of calls held back to the very end
    #[arg(long, default_value = "1%", value_parser = percent)]
    late: f64,
    /// Share of ended calls of whose end no webhook tells: the daemon must ask
    #[arg(long, default_value = "0%", value_parser = percent)]
    withheld: f64,
    /// Same seed, same traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days before today over which calls are spread
    #[arg(long, default_value_t = 45)]
    days: u32,
    /// Requests at once
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
    /// Tenants to create for it
    #[arg(long, default_value_t = 4, conflicts_with = "targets")]
    tenants: usize,
    /// Existing tenants with their secrets, a JSON list, instead of new ones
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// Where to write what must be counted
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
}

fn percent(text: &str) -> Result<f64, String> {
    parse_percent(text).map_err(|error| error.to_string())
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let targets = targets(&config, &args).await?;
    let options = SimulateOptions {
        url: args.url.clone().unwrap_or_else(|| format!("http://{}", config.http.listen)),
        public_origin: config.public_origin(),
        calls: args.calls,
        rate: args.rate,
        duplicates: args.duplicates,
        reorder: args.reorder,
        late: args.late,
        withheld: args.withheld,
        seed: args.seed,
        concurrency: args.concurrency,
        now: now(),
        days: args.days,
    };
    let bar = progress_bar("sending");
    let ledger = simulate::run(&targets, options, None, |progress| show(&bar, progress)).await?;
    bar.finish_and_clear();
    ledger.write(&args.ledger).with_context(|| format!("cannot write {}", args.ledger.display()))?;
    println!(
        "{} webhooks sent, {} different; what they must count is in {}",
        grouped(i64::try_from(ledger.events_sent)?),
        grouped(i64::try_from(ledger.distinct_events)?),
        args.ledger.display()
    );
    Ok(Outcome::Fine)
}

/// A sender has a clock of its own, as providers do; what it says is a claim, and
/// the receive time is the database's.
#[expect(clippy::disallowed_methods, reason = "a provider's clock, not ours")]
pub(super) fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

async fn targets(config: &Config, args: &Args) -> anyhow::Result<Vec<Target>> {
    if let Some(file) = &args.targets {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        return serde_json::from_str(&text).with_context(|| format!("{} is no list of targets", file.display()));
    }
    let database = Database::open(config).await?;
    let key = sealing_key(config)?;
    let pool = database.pool(config).await?;
    let targets = provision(&pool, &key, args.tenants).await?;
    pool.close().await;
    database.close().await?;
    Ok(targets)
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn progress_bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what);
    let style = ProgressStyle::with_template("{msg:10} [{bar:32}] {human_pos}/{human_len} calls  {per_sec}  ETA {eta}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

pub(super) fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.calls);
    bar.set_position(progress.calls_sent);
}
