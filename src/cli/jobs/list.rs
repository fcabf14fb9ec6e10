//! `tallyline jobs list`.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tallyline_queue::admin::{self, Listing, Page, State};
use uuid::Uuid;

use crate::cli::table::{grouped, table};
use crate::cli::{Outcome, span};
use crate::dashboard::format::duration;

/// How far back the history is looked at unless told.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const EXAMPLES: &str = "\
Examples:
  tallyline jobs list                                   what waits and runs
  tallyline jobs list --state dead --kind reconcile_calls
  tallyline jobs list --state failed --since 2h --json  attempts that failed within two hours

live, waiting, delayed, running and dead list jobs; the other states list attempts, and say how far
back they were looked at. A page that ends before its time says where to go on: --before.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// Which jobs, or how attempts ended
    #[arg(long, default_value = "live", value_parser = clap::builder::PossibleValuesParser::new(State::WORDS))]
    state: String,
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<Uuid>,
    /// Only what was enqueued, ended or died within this time [default: 24h for attempts, else all]
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    since: Option<Duration>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Go on where a page has ended
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(pool: &PgPool, args: Args) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *db).await?;
    let since = TimeDelta::from_std(args.since.unwrap_or(DAY))?;
    let listing = Listing {
        state: args.state.parse::<State>()?,
        kind: args.kind,
        queue: args.queue,
        tenant: args.tenant,
        since: now - since,
        since_for_all: args.since.is_some(),
        limit: args.limit,
        before: args.before,
    };
    let page = admin::list(&mut db, &listing).await?;
    if args.json {
        println!("{}", serde_json::to_string(&page)?);
    } else {
        print(&listing, &page, now);
    }
    Ok(Outcome::Fine)
}

fn print(listing: &Listing, page: &Page, now: DateTime<Utc>) {
    let (time, attempts) = match listing.state {
        State::Dead => ("died (UTC)", "attempts"),
        State::Ended(_) => ("ended (UTC)", "attempt"),
        _ => ("due or started (UTC)", "attempts"),
    };
    let mut table = table(&["job", "kind", "queue", "tenant", "state", attempts, time, "queued", "ms", "error"], 100);
    for job in &page.jobs {
        let attempts = match job.max_attempts {
            Some(most) => format!("{}/{most}", job.attempt),
            None => job.attempt.to_string(),
        };
        table.add_row([
            job.job_id.to_string(),
            job.kind.clone(),
            job.queue.clone(),
            job.tenant.map(|id| id.to_string()).unwrap_or_default(),
            job.state.clone(),
            attempts,
            job.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            format!("{} ago", duration((now - job.queued_at).num_seconds())),
            job.duration_ms.map(grouped).unwrap_or_default(),
            job.error.as_deref().map(first_line).unwrap_or_default(),
        ]);
    }
    if page.jobs.is_empty() {
        println!("none");
    } else {
        println!("{table}");
    }
    if let Some(since) = page.since {
        println!("since {}", since.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    if let Some(looked_at) = page.looked_at {
        println!("looked at {} attempts and stopped there", grouped(looked_at));
    }
    if let Some(next) = &page.next {
        println!("there may be more: --before {next}");
    }
}

/// The beginning of an error; `jobs show` has all of it.
pub(super) fn first_line(text: &str) -> String {
    const MOST: usize = 80;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
