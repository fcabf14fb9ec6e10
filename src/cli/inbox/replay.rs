//! `tallyline inbox replay`: entries of the quarantine by their ids, or all that
//! a filter names, in batches that are each one transaction.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::cli::table::{grouped, table};
use crate::cli::{Outcome, WrongUsage, names, trail};
use crate::inbox::{self, Became, Fate};

/// Entries of one transaction.
const BATCH: i64 = 500;

const EXAMPLES: &str = "\
Examples:
  tallyline inbox replay 17 18                          entries by their ids
  tallyline inbox replay --reason data_error --dry-run  what would become of them
  tallyline inbox replay --tenant 6f6f… --all           everything of a tenant

An event is applied once however often it is replayed; what still cannot be applied comes back with the
reason that holds now. Exit code 1 when something stays in quarantine. Each replay is in the audit log.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// Of entries of the quarantine
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Only for this reason
    #[arg(long, conflicts_with = "ids")]
    reason: Option<String>,
    /// Only this tenant
    #[arg(long, conflicts_with = "ids")]
    tenant: Option<Uuid>,
    /// Only this provider
    #[arg(long, conflicts_with = "ids", value_parser = ["bolna", "twilio", "analysis"])]
    provider: Option<String>,
    /// For any reason
    #[arg(long, conflicts_with_all = ["ids", "reason"])]
    all: bool,
    /// Only say what would become of them
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(pool: &PgPool, args: Args) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    if !args.ids.is_empty() {
        let fates = by_id(&mut db, &args).await?;
        return Ok(report_each(&fates, args.dry_run, args.json));
    }
    if args.reason.is_none() && !args.all {
        return Err(WrongUsage("name ids, a reason, or --all").into());
    }
    if let Some(tenant) = args.tenant {
        names::known_tenant(&mut db, tenant).await?;
    }
    let mut sums = BTreeMap::new();
    // What comes back meanwhile has a higher id, and is not tried for ever.
    let (mut after, up_to) = (0, inbox::top(&mut db).await?);
    let filter = (args.tenant, args.reason.as_deref(), args.provider.as_deref());
    loop {
        let places = inbox::next(&mut db, (after, up_to), BATCH, filter).await?;
        let Some((_, last)) = places.last() else { break };
        after = *last;
        let fates = one_transaction(&mut db, &places, args.dry_run, Some(&args)).await?;
        for fate in fates {
            *sums.entry((fate.reason.unwrap_or_default(), fate.became)).or_insert(0_i64) += 1;
        }
    }
    Ok(report_sums(&sums, args.dry_run, args.json))
}

async fn by_id(db: &mut PgConnection, args: &Args) -> anyhow::Result<Vec<Fate>> {
    let places = inbox::find(db, &args.ids).await?;
    let found = one_transaction(db, &places, args.dry_run, None).await?;
    let fate = |id: &i64| {
        let there = found.iter().find(|fate| fate.id == *id).cloned();
        there.unwrap_or(Fate { id: *id, became: Became::NotThere, tenant: None, reason: None })
    };
    Ok(args.ids.iter().map(fate).collect())
}

/// Replays and records it; a dry run does the same, and takes it back. `many`:
/// one record with the filter, else one for each entry.
async fn one_transaction(
    db: &mut PgConnection,
    places: &[inbox::Place],
    dry_run: bool,
    many: Option<&Args>,
) -> anyhow::Result<Vec<Fate>> {
    use sqlx::Acquire as _;
    let mut tx = db.begin().await?;
    let fates = inbox::replay(&mut tx, places).await?;
    if dry_run {
        tx.rollback().await?;
        return Ok(fates);
    }
    let out = fates.iter().filter(|fate| fate.became.is_out());
    match many {
        Some(args) => {
            let details = json!({ "reason": args.reason, "provider": args.provider, "events": out.count() });
            trail::record(&mut tx, "inbox.replay", ("quarantine", "many".to_owned()), args.tenant, details).await?;
        }
        None => {
            for fate in out {
                let details = json!({ "reason": fate.reason });
                let entry = ("quarantine", fate.id.to_string());
                trail::record(&mut tx, "inbox.replay", entry, fate.tenant, details).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(fates)
}

fn report_each(fates: &[Fate], dry_run: bool, json: bool) -> Outcome {
    if json {
        println!("{}", json!({ "dry_run": dry_run, "entries": fates }));
    } else {
        for fate in fates {
            println!("{}: {}", fate.id, text(fate.became));
        }
        said_if(dry_run);
    }
    outcome(fates.iter().all(|fate| fate.became.is_out()))
}

fn report_sums(sums: &BTreeMap<(String, Became), i64>, dry_run: bool, json: bool) -> Outcome {
    if json {
        let rows: Vec<_> = sums
            .iter()
            .map(|((reason, became), events)| json!({ "reason": reason, "became": became, "events": events }))
            .collect();
        println!("{}", json!({ "dry_run": dry_run, "sums": rows }));
    } else if sums.is_empty() {
        println!("nothing matches");
    } else {
        let mut table = table(&["reason", "became", "events"], 2);
        for ((reason, became), events) in sums {
            table.add_row([reason.clone(), text(*became).to_owned(), grouped(*events)]);
        }
        println!("{table}");
        said_if(dry_run);
    }
    outcome(sums.keys().all(|(_, became)| became.is_out()))
}

fn said_if(dry_run: bool) {
    if dry_run {
        println!("nothing was done");
    }
}

fn outcome(all_out: bool) -> Outcome {
    if all_out { Outcome::Fine } else { Outcome::ProblemsFound }
}

fn text(became: Became) -> &'static str {
    match became {
        Became::Pending => "to be applied",
        Became::Known => "known: it is in the inbox by now",
        Became::BodyGone => "stays: its body is past its retention",
        Became::BodyCut => "stays: only the beginning of its body was kept",
        Became::StillRefused => "stays: still refused",
        Became::NotThere => "is not there",
    }
}
