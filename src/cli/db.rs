//! `tallyline db`: the embedded server by itself.

use anyhow::bail;
use tallyline_db::{EmbeddedServer, EmbeddedStatus, migrate};

use super::Outcome;
use super::context::embedded_options;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Start it and leave it running
    Start,
    /// Stop it; committed data stay
    Stop,
    /// Open psql on it as its administrator
    Psql {
        /// Arguments for psql, after --
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Print its data directory
    Path,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    if !config.database.url.is_empty() {
        bail!("database.url is set: there is no embedded server to speak of");
    }
    let options = embedded_options(&config);
    match command {
        Command::Start => {
            let server = EmbeddedServer::start(options).await?;
            migrate::migrate(&server.url()).await?;
            println!("running on 127.0.0.1:{}", server.port());
        }
        Command::Stop => match EmbeddedServer::attach(&options)? {
            Some(server) => {
                server.stop().await?;
                println!("stopped");
            }
            None => println!("not running"),
        },
        Command::Psql { arguments } => return psql(EmbeddedServer::start(options).await?, &arguments),
        Command::Path => match EmbeddedServer::status(&config.database.data_dir)? {
            EmbeddedStatus::NotCreated => bail!("no embedded database in {}", config.database.data_dir.display()),
            EmbeddedStatus::Stopped { data_dir } | EmbeddedStatus::Running { data_dir, .. } => {
                println!("{}", data_dir.display());
            }
        },
    }
    Ok(Outcome::Fine)
}

fn psql(server: EmbeddedServer, arguments: &[String]) -> anyhow::Result<Outcome> {
    let program = server.binaries().bin_dir.join("psql");
    let program = if program.exists() { program } else { "psql".into() };
    let url = reqwest::Url::parse(&server.admin_url())?;
    // By environment, so that the password is in no list of processes.
    let status = std::process::Command::new(program)
        .env("PGHOST", url.host_str().unwrap_or_default())
        .env("PGPORT", url.port().unwrap_or(5432).to_string())
        .env("PGUSER", url.username())
        .env("PGPASSWORD", url.password().unwrap_or_default())
        .env("PGDATABASE", url.path().trim_start_matches('/'))
        .args(arguments)
        .status()?;
    Ok(if status.success() { Outcome::Fine } else { Outcome::ProblemsFound })
}
