//! `tallyline settings`: how the platform behaves, for every process, while it runs.

use serde_json::json;
use tallyline_jobs::admin_log::{self, COMMAND_LINE, Entry};
use tallyline_jobs::settings::{self, SPECS, Settings};

use super::context::Database;
use super::table::table;
use super::{Outcome, WrongUsage};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every setting with its value; exit code 1 when a stored one cannot be used
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Set one; every process follows within seconds
    Set { key: String, value: String },
    /// Return one to its default
    Unset { key: String },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = match command {
        Command::List { json } => list(&pool, json).await?,
        Command::Set { key, value } => {
            let mut settings = Settings::default();
            settings.set(&key, &value).map_err(|reason| Unusable { key: key.clone(), reason })?;
            change(&pool, &key, Some(value.trim())).await?;
            println!("{key} is {}", value.trim());
            Outcome::Fine
        }
        Command::Unset { key } => {
            let spec =
                SPECS.iter().find(|spec| spec.key == key).ok_or(WrongUsage("there is no setting of this name"))?;
            change(&pool, &key, None).await?;
            println!("{key} is {} by default", spec.default);
            Outcome::Fine
        }
    };
    pool.close().await;
    database.close().await?;
    Ok(outcome)
}

/// A value that its setting cannot have.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub(super) struct Unusable {
    key: String,
    reason: settings::Unusable,
}

async fn list(pool: &sqlx::PgPool, as_json: bool) -> anyhow::Result<Outcome> {
    let (_, rejected) = settings::read(pool, &Settings::default()).await?;
    let stored = sqlx::query_file!("sql/settings/list.sql").fetch_all(pool).await?;
    let given = |key: &str| stored.iter().find(|row| row.config_key == key).map(|row| row.config_value.clone());
    if as_json {
        let known = SPECS.iter().map(|spec| {
            json!({ "key": spec.key, "value": given(spec.key), "default": spec.default, "description": spec.description })
        });
        let unusable = rejected.iter().map(|row| json!({ "key": row.key, "reason": row.reason.to_string() }));
        println!("{}", json!({ "settings": known.collect::<Vec<_>>(), "unusable": unusable.collect::<Vec<_>>() }));
    } else {
        let mut table = table(&["setting", "value", "meaning"], 3);
        for spec in SPECS {
            let value = given(spec.key).unwrap_or_else(|| format!("{} (default)", spec.default));
            table.add_row([spec.key.to_owned(), value, spec.description.to_owned()]);
        }
        println!("{table}");
        for row in &rejected {
            println!("not in force: {} {}", row.key, row.reason);
        }
    }
    Ok(if rejected.is_empty() { Outcome::Fine } else { Outcome::ProblemsFound })
}

/// Writes or removes the row, with its trace, in one transaction.
async fn change(pool: &sqlx::PgPool, key: &str, value: Option<&str>) -> anyhow::Result<()> {
    let description = SPECS.iter().find(|spec| spec.key == key).map(|spec| spec.description);
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!("SELECT config_value FROM public.system_config WHERE config_key = $1", key)
        .fetch_optional(&mut *tx)
        .await?;
    match value {
        Some(value) => {
            sqlx::query_file!("sql/settings/set.sql", key, value, description, COMMAND_LINE).execute(&mut *tx).await?;
        }
        None => {
            sqlx::query!("DELETE FROM public.system_config WHERE config_key = $1", key).execute(&mut *tx).await?;
        }
    }
    let entry = Entry {
        admin_user_id: COMMAND_LINE,
        action: if value.is_some() { "setting.set" } else { "setting.unset" },
        resource_type: "setting",
        resource_id: Some(key.to_owned()),
        target_user_id: None,
        details: json!({ "before": before, "after": value }),
        address: None,
        user_agent: None,
    };
    admin_log::record(&mut tx, &entry).await?;
    tx.commit().await?;
    Ok(())
}
