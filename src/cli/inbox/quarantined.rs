//! `tallyline inbox quarantined`.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{moment, now, range};
use crate::cli::table::{grouped, table};
use crate::cli::{Outcome, names, span};
use crate::dashboard::format::duration;
use crate::inbox::{self, HeldFilter};

const EXAMPLES: &str = "\
Examples:
  tallyline inbox quarantined                           the newest entries
  tallyline inbox quarantined --summary                 how many for each reason
  tallyline inbox quarantined --reason unknown_agent --tenant 6f6f… --json

docs/quarantine.md says what each reason means and how to mend it; then: tallyline inbox replay.
Exit code 1 when there is something in quarantine.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// Only this tenant
    #[arg(long)]
    tenant: Option<Uuid>,
    /// Only for this reason, such as unknown_agent
    #[arg(long)]
    reason: Option<String>,
    /// Only this provider
    #[arg(long, value_parser = ["bolna", "twilio", "analysis"])]
    provider: Option<String>,
    /// Only what was put there within this time
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    since: Option<Duration>,
    /// Only what has been there longer than this
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    older_than: Option<Duration>,
    /// How many there are for each reason, instead of a list
    #[arg(long, conflicts_with_all = ["limit", "before"])]
    summary: bool,
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
    let filter = HeldFilter {
        tenant: args.tenant,
        reason: args.reason,
        provider: args.provider,
        from,
        until,
        before: args.before.unwrap_or(i64::MAX),
        limit: args.limit,
    };
    let some = if args.summary {
        summary(&inbox::held_by_reason(&mut db, &filter).await?, now, args.json)
    } else {
        list(inbox::held(&mut db, &filter).await?, args.limit, now, args.json)
    };
    Ok(if some { Outcome::ProblemsFound } else { Outcome::Fine })
}

type Now = chrono::DateTime<chrono::Utc>;

fn summary(sums: &[inbox::ReasonSum], now: Now, json: bool) -> bool {
    if json {
        println!("{}", json!(sums));
    } else if sums.is_empty() {
        println!("nothing is in quarantine");
    } else {
        let mut table = table(&["reason", "events", "at the door", "tenants", "oldest"], 1);
        for sum in sums {
            table.add_row([
                sum.reason.clone(),
                grouped(sum.events),
                grouped(sum.at_the_door),
                grouped(sum.tenants),
                duration((now - sum.oldest).num_seconds().max(0)),
            ]);
        }
        println!("{table}");
    }
    !sums.is_empty()
}

fn list(entries: Vec<inbox::Held>, limit: i64, now: Now, json: bool) -> bool {
    let some = !entries.is_empty();
    let full = entries.len() as i64 == limit;
    let next = entries.last().filter(|_| full).map(|last| last.id);
    if json {
        println!("{}", json!({ "quarantined": entries, "next": next }));
        return some;
    }
    if !some {
        println!("nothing is in quarantine");
        return some;
    }
    let header = ["id", "webhook", "tenant", "provider", "reason", "detail", "received (UTC)", "there for", "bytes"];
    let mut table = table(&header, 8);
    for entry in entries {
        table.add_row([
            entry.id.to_string(),
            entry.inbox_id.map_or_else(|| "at the door".to_owned(), |id| id.to_string()),
            entry.tenant.to_string(),
            entry.provider,
            entry.reason,
            entry.waits_for.unwrap_or(entry.detail),
            moment(entry.received_at),
            duration((now - entry.held_since).num_seconds().max(0)),
            entry.bytes.map_or_else(|| "stripped".to_owned(), |bytes| grouped(bytes.into())),
        ]);
    }
    println!("{table}");
    if let Some(next) = next {
        println!("there may be more: --before {next}");
    }
    some
}
