//! `tallyline simulate`.

use std::path::PathBuf;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::Database;
use super::provision::provision;
use super::table::grouped;
use super::{Outcome, announce};
use crate::config::Config;
use crate::daemon::sealing_key;
use crate::simulate::{self, Progress, SimulateOptions, StandIn, Target, parse_percent};

/// How long the daemon may take to ask for everything.
const ASKED_LIMIT: std::time::Duration = std::time::Duration::from_secs(900);

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
    /// Stand in for a model and for the platform's API too, until the daemon has asked them
    #[arg(long)]
    services: bool,
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
    /// Where to note every delivery with its answer, a line of JSON each
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Where to write what must be counted
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
}

fn percent(text: &str) -> Result<f64, String> {
    parse_percent(text).map_err(|error| error.to_string())
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let stand_in = if args.targets.is_none() && args.services { Some(StandIn::start().await?) } else { None };
    let targets = targets(&config, &args, stand_in.as_ref()).await?;
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
        history: args.history.clone(),
    };
    let bar = progress_bar("sending");
    let ledger = simulate::run(&targets, options, stand_in.as_ref(), |progress| show(&bar, progress)).await?;
    bar.finish_and_clear();
    if let Some(stand_in) = &stand_in {
        until_asked(&config, &targets, stand_in).await?;
    }
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

/// Lets the daemon ask for what no webhook told, and serves until it has: it finds
/// the services at this process only.
async fn until_asked(config: &Config, targets: &[Target], stand_in: &StandIn) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let pool = database.pool(config).await?;
    let tenants: Vec<uuid::Uuid> = targets.iter().map(|target| target.user_id).collect();
    let began = tokio::time::Instant::now();
    loop {
        let waiting = sqlx::query_file!("sql/verify/unasked.sql", &tenants).fetch_one(&pool).await?;
        let unasked = stand_in.unasked();
        if unasked == 0 && waiting.events + waiting.analyses == 0 {
            break;
        }
        if began.elapsed() > ASKED_LIMIT {
            anyhow::bail!(
                "the daemon has not asked for {unasked} executions and {} analyses within {} s",
                waiting.analyses,
                ASKED_LIMIT.as_secs()
            );
        }
        if unasked > 0 && waiting.jobs == 0 {
            sqlx::query!("SELECT tally.request_job('reconcile_all', 'simulate')").fetch_one(&pool).await?;
            announce::jobs(config, &pool).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    pool.close().await;
    database.close().await
}

async fn targets(config: &Config, args: &Args, stand_in: Option<&StandIn>) -> anyhow::Result<Vec<Target>> {
    if let Some(file) = &args.targets {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        return serde_json::from_str(&text).with_context(|| format!("{} is no list of targets", file.display()));
    }
    let database = Database::open(config).await?;
    let key = sealing_key(config)?;
    let pool = database.pool(config).await?;
    let targets = provision(&pool, &key, args.tenants, stand_in).await?;
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
