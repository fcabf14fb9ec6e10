//! `tallyline tenant provider`: where a tenant's providers are asked, and with what key.

use serde_json::json;
use sqlx::PgConnection;
use tallyline_jobs::provider_accounts::{self, AccountRow, NewAccount, default_base_url};
use tallyline_model::Provider;
use uuid::Uuid;

use super::table::table;
use super::tenant::read_secret;
use super::{WrongUsage, trail};
use crate::config::Config;
use crate::daemon::sealing_key;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Write an account; its key is read from standard input and never shown
    Set {
        #[arg(long)]
        tenant: Uuid,
        /// bolna or twilio
        #[arg(long)]
        provider: String,
        /// Address of the API [default: the provider's own]
        #[arg(long)]
        base_url: Option<String>,
        /// Twilio's account: AC and 32 hex digits
        #[arg(long)]
        account_sid: Option<String>,
    },
    /// The accounts, without their keys
    List {
        /// Of one tenant only
        #[arg(long)]
        tenant: Option<Uuid>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an account out of use, until it is set again
    Disable {
        #[arg(long)]
        tenant: Uuid,
        /// bolna or twilio
        #[arg(long)]
        provider: String,
    },
}

/// Does the command in the caller's transaction.
pub(super) async fn run(conn: &mut PgConnection, config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Set { tenant, provider, base_url, account_sid } => {
            let provider = parse(&provider)?;
            let default = default_base_url(provider).unwrap_or_default();
            let base_url = base_url.as_deref().unwrap_or(default);
            let key = read_secret()?;
            let account =
                NewAccount { user_id: tenant, provider, base_url, account_sid: account_sid.as_deref(), key: &key };
            provider_accounts::set(conn, &sealing_key(config)?, &account).await?;
            let details = json!({ "provider": provider.as_str(), "base_url": base_url, "account_sid": account_sid });
            let resource = ("provider_account", provider.as_str().to_owned());
            trail::record(conn, "provider.set", resource, tenant, details).await?;
            println!("{provider} account set, {base_url}");
        }
        Command::List { tenant, json } => list(provider_accounts::list(conn, tenant).await?, json),
        Command::Disable { tenant, provider } => {
            let provider = parse(&provider)?;
            provider_accounts::disable(conn, tenant, provider).await?;
            let details = json!({ "provider": provider.as_str() });
            let resource = ("provider_account", provider.as_str().to_owned());
            trail::record(conn, "provider.disable", resource, tenant, details).await?;
            println!("{provider} account is out of use");
        }
    }
    Ok(())
}

fn parse(provider: &str) -> anyhow::Result<Provider> {
    let known = provider.parse().ok().filter(|provider| default_base_url(*provider).is_some());
    Ok(known.ok_or(WrongUsage("provider is bolna or twilio"))?)
}

fn list(accounts: Vec<AccountRow>, as_json: bool) {
    if as_json {
        let rows: Vec<_> = accounts
            .iter()
            .map(|a| {
                json!({ "user_id": a.user_id, "provider": a.provider, "base_url": a.base_url, "account_sid": a.account_sid,
                    "created_at": a.created_at, "disabled_at": a.disabled_at, "disabled_reason": a.disabled_reason,
                    "reconciled_until": a.reconciled_until, "last_run_at": a.last_run_at, "last_error": a.last_error })
            })
            .collect();
        println!("{}", serde_json::Value::Array(rows));
        return;
    }
    let mut table = table(&["tenant", "provider", "address", "state", "reconciled until", "last error"], 6);
    for account in accounts {
        let state = account.disabled_reason.map_or_else(|| "in use".to_owned(), |reason| format!("disabled: {reason}"));
        let until = account
            .reconciled_until
            .map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
        let error = account.last_error.unwrap_or_default();
        table.add_row([account.user_id.to_string(), account.provider, account.base_url, state, until, error]);
    }
    println!("{table}");
}
