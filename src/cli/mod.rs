//! The command line: one file a command.
//!
//! Exit codes: 0 fine, 1 problems were found, 2 wrong usage or configuration,
//! 3 something needed cannot be reached, 4 refused.

mod account;
mod adopt;
mod agent;
mod analyses;
mod announce;
mod backfill;
mod context;
mod credits;
mod customer;
mod db;
mod demo;
mod follow_up;
mod inbox;
mod jobs;
mod migrate;
mod names;
mod notify;
mod number;
mod provider;
mod provision;
mod queue;
mod run;
mod schedule;
mod settings;
mod simulate;
mod span;
mod status;
mod table;
mod tenant;
mod tenant_analysis;
mod tenant_data;
mod trail;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, ConfigError, Overrides};
use crate::telemetry;

/// Exact analytics from the webhooks of an AI voice-calling platform.
#[derive(Debug, Parser)]
#[command(name = "tallyline", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command; each overrides a key of the configuration.
#[derive(Debug, clap::Args)]
struct Global {
    /// Configuration file [default: tallyline.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// PostgreSQL to use instead of the embedded one (also: DATABASE_URL)
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Where the embedded database and generated secrets live
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Folder with PostgreSQL's server programs
    #[arg(long, global = true, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
    /// Address of the HTTP server
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything, send traffic through it, check it, show it
    Demo(demo::Args),
    /// Run the daemon
    Run(run::Args),
    /// Apply or check the database's migrations
    Migrate(migrate::Args),
    /// Tenants and their webhook endpoints
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Accounts: who may sign in, and tokens for programs
    #[command(subcommand)]
    Account(account::Command),
    /// Agents of a tenant
    #[command(subcommand)]
    Agent(agent::Command),
    /// A tenant's ledger: purchases, bonuses, adjustments
    #[command(subcommand)]
    Credits(credits::Command),
    /// Contacts that bought, and what they have come to
    #[command(subcommand)]
    Customer(customer::Command),
    /// The platform's telephone numbers, and whose they are
    #[command(subcommand)]
    Number(number::Command),
    /// Send made-up traffic to a receiver and write down what it must count
    Simulate(simulate::Args),
    /// Take over a database of the platform with triggers, and compare
    Adopt(adopt::Args),
    /// Check that the figures are those of the calls, or of a ledger
    Verify(verify::Args),
    /// What is to be analysed, and what failed
    #[command(subcommand)]
    Analyses(analyses::Command),
    /// How the platform behaves, for every process, while it runs
    #[command(subcommand)]
    Settings(settings::Command),
    /// Whom a tenant is to speak to again
    #[command(subcommand)]
    FollowUp(follow_up::Command),
    /// What tenants are told by webhooks of ours
    #[command(subcommand)]
    Notify(notify::Command),
    /// Make figures of past days anew, at a measured pace
    #[command(subcommand)]
    Backfill(backfill::Command),
    /// What runs by the clock, and when
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Jobs: what waits, runs, has ended, has died, and what to do about it
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Queues: who serves them, and how to hold them up
    #[command(subcommand)]
    Queue(queue::Command),
    /// Webhooks as they came: what waits, what is in quarantine and why, and another try
    #[command(subcommand)]
    Inbox(inbox::Command),
    /// What waits, what lags, what failed, on one screen
    Status(status::Args),
    /// The embedded database server
    #[command(subcommand)]
    Db(db::Command),
}

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    ProblemsFound,
}

/// What the command was asked to do and does not do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// Something that was named is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotFound(String);

/// Options that make no sense together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(&'static str);

/// Parses the command line, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(execute(cli)) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::ProblemsFound) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// Whether this is a command line of the program (`words` without its name), for
/// tests of documents.
///
/// # Errors
/// What the program would say; asking for help is none.
pub fn check_line(words: &[String]) -> Result<(), clap::Error> {
    let line = std::iter::once("tallyline").chain(words.iter().map(String::as_str));
    match Cli::try_parse_from(line) {
        Err(error) if error.use_stderr() => Err(error),
        _ => Ok(()),
    }
}

async fn execute(cli: Cli) -> anyhow::Result<Outcome> {
    let overrides = Overrides {
        file: cli.global.config,
        database_url: cli.global.database_url,
        data_dir: cli.global.data_dir,
        pg_bin: cli.global.pg_bin,
        listen: cli.global.listen,
    };
    let mut config = config::load(&overrides, environment())?;
    if !matches!(cli.command, Command::Run(_)) && config.log.level == "info" {
        // What a daemon does is worth a line; a command's result is on its output.
        config.log.level = "warn".to_owned();
    }
    telemetry::logs::init(&config.log)?;
    match cli.command {
        Command::Demo(args) => demo::run(config, args).await,
        Command::Run(args) => run::run(config, args).await,
        Command::Migrate(args) => migrate::run(config, args).await,
        Command::Tenant(command) => tenant::run(config, command).await,
        Command::Account(command) => account::run(config, command).await,
        Command::Agent(command) => agent::run(config, command).await,
        Command::Credits(command) => credits::run(config, command).await,
        Command::Customer(command) => customer::run(config, command).await,
        Command::Number(command) => number::run(config, command).await,
        Command::Simulate(args) => simulate::run(config, args).await,
        Command::Adopt(args) => adopt::run(config, args).await,
        Command::Verify(args) => verify::run(config, args).await,
        Command::Analyses(command) => analyses::run(config, command).await,
        Command::Settings(command) => settings::run(config, command).await,
        Command::FollowUp(command) => follow_up::run(config, command).await,
        Command::Notify(command) => notify::run(config, command).await,
        Command::Backfill(command) => backfill::run(config, command).await,
        Command::Schedule(command) => schedule::run(config, command).await,
        Command::Jobs(command) => jobs::run(config, command).await,
        Command::Queue(command) => queue::run(config, command).await,
        Command::Inbox(command) => inbox::run(config, command).await,
        Command::Status(args) => status::run(config, args).await,
        Command::Db(command) => db::run(config, command).await,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the configuration is read")]
fn environment() -> std::env::Vars {
    std::env::vars()
}

/// Which of the documented codes an error means.
fn exit_code(error: &anyhow::Error) -> u8 {
    use tallyline_db::{MigrateError, PoolError};
    use tallyline_jobs::backfill::BackfillError;

    use crate::accounts::people::PeopleError;
    use crate::tenants::TenantError;
    use tallyline_jobs::notify::NotifyError;
    use tallyline_jobs::provider_accounts::AccountError;
    use tallyline_queue::QueueError;
    for cause in error.chain() {
        if cause.is::<ConfigError>()
            || cause.is::<WrongUsage>()
            || cause.is::<NotFound>()
            || matches!(cause.downcast_ref(), Some(PeopleError::Invalid(_) | PeopleError::Unknown))
            || cause.is::<settings::Unusable>()
            || cause.is::<names::NotThere>()
            || matches!(
                cause.downcast_ref(),
                Some(QueueError::UnknownKind(_) | QueueError::Payload { .. } | QueueError::Place)
            )
            || cause.downcast_ref().is_some_and(TenantError::is_wrong_usage)
            || cause.downcast_ref().is_some_and(NotifyError::is_wrong_usage)
            || matches!(cause.downcast_ref(), Some(BackfillError::UnknownTenant(_) | BackfillError::UnknownBackfill(_)))
            || cause.downcast_ref().is_some_and(AccountError::is_wrong_usage)
            || matches!(cause.downcast_ref(), Some(QueueError::UnknownSchedule { .. }))
        {
            return 2;
        }
        if cause.is::<Refused>()
            || matches!(cause.downcast_ref(), Some(PeopleError::Taken | PeopleError::Last))
            || cause.downcast_ref().is_some_and(TenantError::is_refusal)
            || matches!(cause.downcast_ref(), Some(BackfillError::NotNow(_)))
        {
            return 4;
        }
        if matches!(cause.downcast_ref(), Some(PoolError::Privileged { .. } | PoolError::RoleMissing { .. }))
            || matches!(
                cause.downcast_ref(),
                Some(MigrateError::RolesMissing { .. } | MigrateError::ForeignTables { .. })
            )
        {
            return 4;
        }
        if cause.is::<tallyline_db::EmbeddedError>() || is_unreachable(cause) {
            return 3;
        }
    }
    1
}

fn is_unreachable(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_)))
        || cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
}
