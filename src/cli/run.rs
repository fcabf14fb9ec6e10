//! `tallyline run`.

use std::sync::Arc;

use super::Outcome;
use super::context::Database;
use crate::config::Config;
use crate::daemon::{Daemon, Role};
use crate::life::notify;
use crate::life::signals::Signals;
use crate::telemetry;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The first SIGTERM or SIGINT stops it in order, within stop.grace_seconds and some seconds: requests and \
                        jobs under way end or are given back. The second ends it at once, with exit code 143 or 130.\n\nExamples:\n  tallyline run\n  \
                        tallyline run --roles receiver              on machines that only take webhooks\n  \
                        tallyline run --config /etc/tallyline/config.toml --listen 0.0.0.0:8080"
)]
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
    let mut signals = Signals::listen()?;
    let started = tokio::select! {
        started = Daemon::start(Arc::new(config), &database.url, &roles, metrics) => started.map(Some),
        _ = signals.next() => Ok(None),
    };
    let mut daemon = match started {
        Ok(Some(daemon)) => daemon,
        Ok(None) => {
            database.close().await?;
            return Ok(Outcome::Fine);
        }
        Err(error) => {
            database.close().await?;
            return Err(error);
        }
    };
    notify::ready(&format!("listening on {}", daemon.address));
    let failed = tokio::select! {
        _ = signals.next() => None,
        error = daemon.failed() => Some(error),
    };
    notify::stopping(&format!("stopping: what is under way has {} s", daemon.grace().as_secs()));
    tracing::info!(grace_seconds = daemon.grace().as_secs(), "stopping; a second signal ends the process at once");
    let ended = async {
        let stopped = daemon.stop().await;
        database.close().await?;
        stopped
    };
    tokio::select! {
        ended = ended => match failed {
            Some(error) => Err(error),
            None => ended.map(|()| Outcome::Fine),
        },
        second = signals.next() => {
            tracing::warn!("ended at once; what ran is taken back by others when the lease has ended");
            Ok(Outcome::EndedAtOnce(second))
        }
    }
}
