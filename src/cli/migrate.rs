//! `tallyline migrate`.

use std::time::Duration;

use tallyline_db::apply::{Blocker, Patience, Progress};
use tallyline_db::migrate;

use super::Outcome;
use super::context::Database;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing; exit 1 when something is to be done
    #[arg(long)]
    check: bool,
    /// How long to try for a migration that others are in the way of
    #[arg(long, default_value_t = 600)]
    wait_seconds: u64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let outcome = if args.check { check(&database.url, args.json).await } else { apply(&database.url, &args).await };
    database.close().await?;
    outcome
}

async fn check(url: &str, json: bool) -> anyhow::Result<Outcome> {
    let difference = migrate::check(url).await?;
    if json {
        let named = |list: &[(i64, String)]| -> Vec<i64> { list.iter().map(|(version, _)| *version).collect() };
        println!(
            "{}",
            serde_json::json!({ "pending": named(&difference.pending), "changed": named(&difference.changed), "unknown": difference.unknown, "missing": difference.missing })
        );
    } else if difference.is_none() {
        println!("up to date");
    } else {
        for (version, name) in &difference.pending {
            println!("pending  {version}  {name}");
            for note in migrate::notes(*version) {
                println!("         {note}");
            }
        }
        for (version, name) in &difference.changed {
            println!("changed  {version}  {name}: applied with another text");
        }
        for version in &difference.unknown {
            println!("unknown  {version}: applied by another version of this program");
        }
        for name in &difference.missing {
            println!("missing  {name}: dropped or disabled since");
        }
    }
    Ok(if difference.is_none() { Outcome::Fine } else { Outcome::ProblemsFound })
}

async fn apply(url: &str, args: &Args) -> anyhow::Result<Outcome> {
    let patience = Patience { total: Duration::from_secs(args.wait_seconds), ..Patience::default() };
    let applied = migrate::migrate_with(url, &migrate::MIGRATOR, patience, &mut tell).await?;
    if args.json {
        let versions: Vec<i64> = applied.applied.iter().map(|(version, _)| *version).collect();
        println!("{}", serde_json::json!({ "applied": versions, "already": applied.already }));
        return Ok(Outcome::Fine);
    }
    for (version, name) in &applied.applied {
        println!("applied  {version}  {name}");
    }
    println!("{} applied, {} were there", applied.applied.len(), applied.already);
    Ok(Outcome::Fine)
}

/// Who waits and for whom goes to the terminal, not into the result.
fn tell(progress: Progress) {
    let what = |migration: Option<(i64, String)>| match migration {
        Some((version, name)) => format!("{version}  {name}"),
        None => "all migrations".to_owned(),
    };
    match progress {
        Progress::Applied(_) => {}
        Progress::Waiting { migration, blockers } => {
            let who: Vec<String> = blockers.iter().map(Blocker::to_string).collect();
            eprintln!("waiting  {}: {} holds what it needs", what(migration), who.join(", "));
        }
        Progress::TryingAgain { migration, pause } => {
            eprintln!("gave way {}: nothing was changed, trying again in {} s", what(migration), pause.as_secs());
        }
    }
}
