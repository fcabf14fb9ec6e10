//! `tallyline status`.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use sqlx::PgPool;
use tokio::signal::unix::{SignalKind, signal};

use super::context::Database;
use super::{Outcome, span};
use crate::config::Config;
use crate::status;

/// Clears the screen and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show it again and again, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Time between two looks
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = span::parse, requires = "watch")]
    interval: Duration,
    /// Print as JSON, one object a line while watching
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let shown = if args.watch { watch(&pool, &args).await } else { print(&pool, args.json, "").await };
    pool.close().await;
    database.close().await?;
    shown.map(|()| Outcome::Fine)
}

async fn print(pool: &PgPool, json: bool, before: &str) -> anyhow::Result<()> {
    let status = status::collect(pool).await?;
    let text = if json { serde_json::to_string(&status)? } else { status.to_string() };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{before}{text}")?;
    out.flush()?;
    Ok(())
}

/// Until Ctrl-C, or until nobody reads any more.
async fn watch(pool: &PgPool, args: &Args) -> anyhow::Result<()> {
    let clear = if std::io::stdout().is_terminal() && !args.json { CLEAR } else { "" };
    // Without a pause it would ask all the time.
    let interval = args.interval.max(Duration::from_millis(100));
    // Listened to all the time: one that comes during a look is not lost.
    let mut interrupted = signal(SignalKind::interrupt())?;
    loop {
        if let Err(error) = print(pool, args.json, clear).await {
            let broken =
                error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
            return if broken { Ok(()) } else { Err(error) };
        }
        tokio::select! {
            _ = interrupted.recv() => return Ok(()),
            () = tokio::time::sleep(interval) => {}
        }
    }
}
