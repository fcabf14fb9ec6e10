//! `tallyline migrate`.

use tallyline_db::migrate;

use super::Outcome;
use super::context::Database;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing; exit 1 when something is to be done
    #[arg(long)]
    check: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let outcome =
        if args.check { check(&database.url, args.json).await } else { apply(&database.url, args.json).await };
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

async fn apply(url: &str, json: bool) -> anyhow::Result<Outcome> {
    let applied = migrate::migrate(url).await?;
    if json {
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
