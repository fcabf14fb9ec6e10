//! `tallyline analyses`: what is to be analysed, what failed, and trying it again.

use serde_json::json;
use tallyline_jobs::analyze_leads::control::{self, Listed};
use uuid::Uuid;

use super::context::Database;
use super::table::{grouped, micros, table};
use super::{Outcome, Refused, WrongUsage, trail};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Analyses of a tenant's calls, the newest first
    List {
        #[arg(long)]
        tenant: Uuid,
        /// pending, claimed, succeeded, failed or skipped
        #[arg(long)]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// One analysis, as JSON
    Show {
        #[arg(long)]
        tenant: Uuid,
        call: Uuid,
    },
    /// Analyse again, by the provider that the tenant has now
    Retry {
        #[arg(long)]
        tenant: Uuid,
        /// One call, however its analysis ended
        call: Option<Uuid>,
        /// All that failed
        #[arg(long, conflicts_with = "call")]
        failed: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = execute(&pool, command).await;
    pool.close().await;
    database.close().await?;
    outcome
}

async fn execute(pool: &sqlx::PgPool, command: Command) -> anyhow::Result<Outcome> {
    let mut tx = pool.begin().await?;
    match command {
        Command::List { tenant, state, limit, json } => {
            print(&control::list(&mut tx, tenant, state.as_deref(), None, limit).await?, json)?;
        }
        Command::Show { tenant, call } => {
            let found = control::list(&mut tx, tenant, None, Some(call), 1).await?;
            let Some(analysis) = found.first() else {
                return Err(Refused("no analysis of this call was ever asked for".to_owned()).into());
            };
            println!("{}", serde_json::to_string_pretty(analysis)?);
        }
        Command::Retry { tenant, call, failed } => {
            if call.is_none() && !failed {
                return Err(WrongUsage("name a call, or say --failed").into());
            }
            let retried = control::retry(&mut tx, tenant, call).await?;
            if retried == 0 && call.is_some() {
                return Err(Refused(
                    "the tenant has no provider that we ask, or the call no analysis that ended".to_owned(),
                )
                .into());
            }
            let resource = ("analysis", call.map_or_else(|| "failed".to_owned(), |call| call.to_string()));
            trail::record(&mut tx, "analysis.retry", resource, tenant, json!({ "retried": retried })).await?;
            println!("{} to be analysed again", grouped(retried));
        }
    }
    tx.commit().await?;
    Ok(Outcome::Fine)
}

fn print(analyses: &[Listed], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string(analyses)?);
        return Ok(());
    }
    let mut table = table(&["call", "began", "provider", "state", "why", "attempts", "tokens", "cost"], 5);
    for analysis in analyses {
        let why = [&analysis.wait_reason, &analysis.error_code].into_iter().flatten().cloned().collect::<Vec<_>>();
        table.add_row([
            analysis.call_id.to_string(),
            analysis.started_at.format("%Y-%m-%d %H:%M").to_string(),
            analysis.provider.clone(),
            analysis.state.clone(),
            why.join(", "),
            analysis.attempts.to_string(),
            grouped(analysis.input_tokens + analysis.output_tokens),
            micros(analysis.cost_micros),
        ]);
    }
    println!("{table}");
    Ok(())
}
