//! `tallyline tenant analysis`: who analyses a tenant's leads.

use serde_json::json;
use sqlx::PgConnection;
use tallyline_secrets::SealingKey;
use uuid::Uuid;

use super::trail;
use crate::tenants::{self, AnalysisChange};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Change who analyses, and how; what is not named stays as it is
    Set(Set),
    /// What is set, and what the day has cost so far; keys are never shown
    Show { tenant: Uuid },
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    tenant: Uuid,
    /// bolna (what its agents extract), openai (any compatible endpoint), webhook (posted), rules (offline), off
    #[arg(long)]
    provider: Option<String>,
    /// Of the endpoint, up to before /chat/completions
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[arg(long)]
    model: Option<String>,
    /// Read the endpoint's key from standard input
    #[arg(long)]
    api_key_from_stdin: bool,
    #[arg(long, value_name = "TOKENS")]
    max_output_tokens: Option<i32>,
    /// Price of a million input tokens, in millionths of a unit of money
    #[arg(long, value_name = "MICROS")]
    input_price_micros: Option<i64>,
    /// Price of a million output tokens
    #[arg(long, value_name = "MICROS")]
    output_price_micros: Option<i64>,
    /// Most that a day of the tenant's zone may cost
    #[arg(long, value_name = "MICROS", conflicts_with = "no_daily_cap")]
    daily_cap_micros: Option<i64>,
    /// No cap any more
    #[arg(long)]
    no_daily_cap: bool,
    /// Requests at once
    #[arg(long)]
    concurrency: Option<i32>,
}

pub(super) async fn run(
    tx: &mut PgConnection,
    key: impl FnOnce() -> anyhow::Result<SealingKey>,
    read_secret: impl FnOnce() -> anyhow::Result<String>,
    command: Command,
) -> anyhow::Result<()> {
    let tenant = match command {
        Command::Show { tenant } => tenant,
        Command::Set(set) => {
            let api_key = if set.api_key_from_stdin { Some(read_secret()?) } else { None };
            let change = AnalysisChange {
                provider: set.provider,
                base_url: set.base_url,
                model: set.model,
                api_key,
                max_output_tokens: set.max_output_tokens,
                input_price_micros: set.input_price_micros,
                output_price_micros: set.output_price_micros,
                daily_cap_micros: if set.no_daily_cap { Some(None) } else { set.daily_cap_micros.map(Some) },
                concurrency: set.concurrency,
            };
            tenants::set_analysis(tx, &key()?, set.tenant, &change).await?;
            let details = json!({
                "provider": change.provider, "base_url": change.base_url, "model": change.model,
                "new_api_key": change.api_key.is_some(), "max_output_tokens": change.max_output_tokens,
                "input_price_micros": change.input_price_micros, "output_price_micros": change.output_price_micros,
                "daily_cap_micros": change.daily_cap_micros.flatten(), "no_daily_cap": change.daily_cap_micros == Some(None),
                "concurrency": change.concurrency,
            });
            trail::record(tx, "tenant.analysis", ("tenant", set.tenant.to_string()), set.tenant, details).await?;
            set.tenant
        }
    };
    let settings = tenants::analysis_settings(tx, tenant).await?;
    println!("{}", serde_json::to_string_pretty(&settings)?);
    Ok(())
}
