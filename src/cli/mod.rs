//! The command line: one file a command.
//!
//! Exit codes: 0 fine, 1 problems were found, 2 wrong usage or configuration,
//! 3 something needed cannot be reached, 4 refused; 130 and 143 a second signal
//! ended it at once.
//!
//! Every command has examples in its help ([`examples`]), and what prints data
//! takes `--json`; a test walks the tree of commands and `docs/cli.md` shows it.

mod account;
mod adopt;
mod agent;
mod analyses;
mod announce;
mod backfill;
mod completions;
mod config;
mod context;
mod credits;
mod customer;
mod db;
mod demo;
mod desk;
mod doctor;
mod examples;
mod exit;
mod follow_up;
mod healthcheck;
mod inbox;
mod jobs;
mod manual;
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
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Config, ConfigError, Loaded, Overrides, load_all, ranges, reload_on_hangup};
use crate::life::signals::Stop;
use crate::telemetry;

/// Exact analytics from the webhooks of an AI voice-calling platform.
#[derive(Debug, Parser)]
#[command(name = "tallyline", version, max_term_width = 100, before_help = examples::PROGRAM)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command; each overrides a key of the configuration.
#[derive(Debug, clap::Args)]
struct Global {
    /// Configuration file [default: tallyline.toml here, else /etc/tallyline/config.toml]
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
    /// Ask a daemon whether it is ready
    Healthcheck(healthcheck::Args),
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
    /// Look at everything; say what is wrong, what it means and the command that mends it
    Doctor(doctor::Args),
    /// The configuration in force, and whether it can be used
    #[command(subcommand)]
    Config(config::Command),
    /// The embedded database server
    #[command(subcommand)]
    Db(db::Command),
    /// Print what makes a shell complete commands and options
    Completions(completions::Args),
    /// Print the manual page, or write one for every command
    Man(manual::Args),
}

/// Threads that are busy when everything else has ended have so long.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    ProblemsFound,
    /// A second signal came while it stopped.
    EndedAtOnce(Stop),
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

/// The program's command line, with the examples of every command.
pub fn command() -> clap::Command {
    examples::with_examples(Cli::command())
}

/// Whether these are arguments of the program, its name first; for what is written
/// in documents and in the reports of `doctor`.
///
/// # Errors
/// What clap says.
pub fn parse(arguments: &[&str]) -> Result<(), clap::Error> {
    // Unlike a command that `--help` ends, one with all arguments has a type.
    command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches)).map(drop)
}

/// Parses the command line, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = parsed.unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(1);
        }
    };
    let outcome = runtime.block_on(execute(cli));
    if matches!(outcome, Ok(Outcome::EndedAtOnce(_))) {
        runtime.shutdown_background();
    } else {
        // A thread that still computes does not hold the process up.
        runtime.shutdown_timeout(LAST_THREADS);
    }
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::ProblemsFound) => ExitCode::from(1),
        Ok(Outcome::EndedAtOnce(signal)) => ExitCode::from(signal.exit_code()),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit::code(&error))
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
    // These work with a configuration that cannot be used, or with none.
    let command = match cli.command {
        Command::Completions(args) => return completions::run(&args),
        Command::Man(args) => return manual::run(&args),
        Command::Config(command) => return config::run(&overrides, environment(), command),
        Command::Doctor(args) => return doctor::run(load_all(&overrides, environment())?, args).await,
        command => command,
    };
    let loaded = load_all(&overrides, environment())?;
    if !loaded.problems.is_empty() {
        return Err(ConfigError { problems: loaded.problems }.into());
    }
    if let Command::Run(args) = command {
        return start(overrides, loaded, args).await;
    }
    let mut config = loaded.config;
    if config.log.level == "info" {
        // What a daemon does is worth a line; a command's result is on its output.
        config.log.level = "warn".to_owned();
    }
    telemetry::logs::init(&config.log)?;
    dispatch(config, command).await
}

/// The daemon, which must not start with values that make no sense, and which
/// reads its configuration again at SIGHUP.
async fn start(overrides: Overrides, loaded: Loaded, args: run::Args) -> anyhow::Result<Outcome> {
    let problems = ranges(&loaded.config);
    if !problems.is_empty() {
        return Err(ConfigError { problems }.into());
    }
    let config = loaded.config.clone();
    telemetry::logs::init(&config.log)?;
    reload_on_hangup(overrides, environment, loaded)?;
    run::run(config, args).await
}

async fn dispatch(config: Config, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Demo(args) => demo::run(config, args).await,
        Command::Run(args) => run::run(config, args).await,
        Command::Healthcheck(args) => healthcheck::run(config, args).await,
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
        // Done before there was a configuration.
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => manual::run(&args),
        Command::Config(_) | Command::Doctor(_) => Ok(Outcome::Fine),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the configuration is read")]
fn environment() -> std::env::Vars {
    std::env::vars()
}
