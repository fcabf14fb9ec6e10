//! `tallyline run`.

use std::sync::Arc;

use super::Outcome;
use super::context::Database;
use crate::config::Config;
use crate::daemon::{Daemon, Role};
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What this process does [default: all of receiver,worker,scheduler,dashboard]
    #[arg(long, value_delimiter = ',')]
    roles: Vec<Role>,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let roles = if args.roles.is_empty() { Role::ALL.to_vec() } else { args.roles };
    let metrics = telemetry::metrics::install()?;
    let database = Database::open(&config).await?;
    if database.is_embedded() {
        tracing::info!("using the embedded database: for evaluation and single machines; set database.url for others");
    }
    let mut daemon = match Daemon::start(Arc::new(config), &database.url, &roles, metrics).await {
        Ok(daemon) => daemon,
        Err(error) => {
            database.close().await?;
            return Err(error);
        }
    };
    let ended = tokio::select! {
        signal = stop_signal() => signal,
        error = daemon.failed() => Err(error),
    };
    tracing::info!("stopping");
    daemon.stop().await;
    database.close().await?;
    ended.map(|()| Outcome::Fine)
}

/// Returns at Ctrl-C or SIGTERM.
pub(super) async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => Ok(result?),
        _ = terminate.recv() => Ok(()),
    }
}
