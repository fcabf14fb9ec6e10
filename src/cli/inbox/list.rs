//! `tallyline inbox list`.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{moment, now, range};
use crate::cli::table::{grouped, table};
use crate::cli::{Outcome, names, span};
use crate::dashboard::format::duration;
use crate::inbox::{self, Filter, State};

const EXAMPLES: &str = "\
Examples:
  tallyline inbox list                                  the newest, whatever became of them
  tallyline inbox list --state waiting --older-than 10m
  tallyline inbox list --tenant 6f6f… --provider twilio --since 2h --json

ready: to be applied. waiting: for the execution of its call. quarantined: could not be applied, see
tallyline inbox quarantined. applied: done with. A full page says where to go on: --before.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// Only what is in this state
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(State::WORDS))]
    state: Option<String>,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<Uuid>,
    /// Only this provider
    #[arg(long, value_parser = ["bolna", "twilio", "analysis"])]
    provider: Option<String>,
    /// Only what was received within this time
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    since: Option<Duration>,
    /// Only what was received longer ago than this
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    older_than: Option<Duration>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Go on where a page has ended
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(pool: &PgPool, args: Args) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    if let Some(tenant) = args.tenant {
        names::known_tenant(&mut db, tenant).await?;
    }
    let now = now(&mut db).await?;
    let (from, until) = range(now, args.since, args.older_than)?;
    let filter = Filter {
        state: args.state.as_deref().and_then(State::of_word),
        tenant: args.tenant,
        provider: args.provider,
        from,
        until,
        before: args.before.unwrap_or(i64::MAX),
        limit: args.limit,
    };
    let rows = inbox::list(&mut db, &filter).await?;
    let full = rows.len() as i64 == args.limit;
    let next = rows.last().filter(|_| full).map(|last| last.id);
    if args.json {
        println!("{}", json!({ "webhooks": rows, "next": next }));
        return Ok(Outcome::Fine);
    }
    if rows.is_empty() {
        println!("none");
        return Ok(Outcome::Fine);
    }
    let mut table = table(&["id", "tenant", "provider", "received (UTC)", "age", "state", "reason", "bytes"], 7);
    for row in rows {
        table.add_row([
            row.id.to_string(),
            row.tenant.to_string(),
            row.provider,
            moment(row.received_at),
            duration((now - row.received_at).num_seconds().max(0)),
            row.state,
            row.reason.unwrap_or_default(),
            row.bytes.map_or_else(|| "stripped".to_owned(), |bytes| grouped(bytes.into())),
        ]);
    }
    println!("{table}");
    if let Some(next) = next {
        println!("there may be more: --before {next}");
    }
    Ok(Outcome::Fine)
}
