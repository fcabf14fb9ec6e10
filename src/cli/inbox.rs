//! `tallyline inbox`: webhooks as they came, and the quarantine.

mod list;
mod quarantined;
mod replay;
mod show;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use std::time::Duration;

use super::Outcome;
use super::context::Database;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Webhooks, the newest first
    List(list::Args),
    /// Everything about one webhook, or one entry of the quarantine
    Show(show::Args),
    /// What could not be applied or was refused at the door, and why
    Quarantined(quarantined::Args),
    /// Try entries of the quarantine again, after what was wrong has been mended
    Replay(replay::Args),
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = match command {
        Command::List(args) => list::run(&pool, args).await,
        Command::Show(args) => show::run(&pool, args).await,
        Command::Quarantined(args) => quarantined::run(&pool, args).await,
        Command::Replay(args) => replay::run(&pool, args).await,
    };
    pool.close().await;
    database.close().await?;
    outcome
}

/// The database's time.
async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(conn).await
}

/// The range of times that ages name: not older than `since`, at least as old as `older_than`.
fn range(
    now: DateTime<Utc>,
    since: Option<Duration>,
    older_than: Option<Duration>,
) -> anyhow::Result<(DateTime<Utc>, DateTime<Utc>)> {
    let from = match since {
        Some(since) => now - TimeDelta::from_std(since)?,
        None => DateTime::UNIX_EPOCH,
    };
    // What came after the clock was read is not left out.
    let until = now + TimeDelta::days(1);
    let until = older_than.map(TimeDelta::from_std).transpose()?.map_or(until, |age| now - age);
    Ok((from, until))
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A body as JSON: as text where it is text, else in base64.
fn body_json(body: Option<Vec<u8>>) -> serde_json::Value {
    use base64::Engine as _;
    match body.map(String::from_utf8) {
        None => serde_json::Value::Null,
        Some(Ok(text)) => serde_json::json!({ "text": text }),
        Some(Err(error)) => {
            let base64 = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
            serde_json::json!({ "base64": base64 })
        }
    }
}

/// Writes a body to standard output as it is.
fn print_body(body: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(b"\n")?;
    out.write_all(body)?;
    out.write_all(b"\n")?;
    Ok(())
}
