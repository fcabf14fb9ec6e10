//! `tallyline doctor`.

use std::path::PathBuf;

use tallyline_db::{EmbeddedServer, EmbeddedStatus};

use super::Outcome;
use super::context::embedded_options;
use crate::config::Loaded;
use crate::daemon;
use crate::doctor::{self, Limits, Target, bundle};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a folder for whoever helps, without secrets, bodies and numbers
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// The checks were made, but without the database.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be reached")]
pub(super) struct NoDatabase;

pub(super) async fn run(loaded: Loaded, args: Args) -> anyhow::Result<Outcome> {
    let target = target(&loaded)?;
    let report = doctor::run(&loaded, &target, &Limits::default()).await;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    if let Some(folder) = &args.bundle {
        let pool = match &target {
            Target::Url(url) if report.database_reachable => daemon::connect(&loaded.config, url).await.ok(),
            _ => None,
        };
        bundle::write(folder, &loaded, &report, pool.as_ref()).await?;
        if let Some(pool) = pool {
            pool.close().await;
        }
        eprintln!("written: {}", folder.display());
    }
    match (report.database_reachable, report.has_problems()) {
        (false, _) => Err(NoDatabase.into()),
        (true, true) => Ok(Outcome::ProblemsFound),
        (true, false) => Ok(Outcome::Fine),
    }
}

/// The configured database, or the embedded one as it is: nothing is started.
fn target(loaded: &Loaded) -> anyhow::Result<Target> {
    let config = &loaded.config;
    if !config.database.url.is_empty() {
        return Ok(Target::Url(config.database.url.clone()));
    }
    match EmbeddedServer::status(&config.database.data_dir) {
        Ok(EmbeddedStatus::Running { .. }) => {
            let server = EmbeddedServer::attach(&embedded_options(config))?;
            Ok(server.map_or(Target::NotRunning, |server| Target::Url(server.url())))
        }
        _ => Ok(Target::NotRunning),
    }
}
