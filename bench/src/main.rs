//! The project's measurements and soaks, each beside its peer, in one run.
//!
//! `cargo run --release -p bench -- --help`. Each command prints what it did in
//! words and, with `--json`, one JSON object as its last line. All work on
//! databases of their own on the test server (`fsync` off), or on the one of
//! `DATABASE_URL`.

mod soak;
mod stage;

mod fresh;
mod histories;
mod ingest;
mod page;
mod process;
mod queue;
mod rebuild;
mod record;
mod report;
mod roll_up;
#[path = "../../tests/support/histories.rs"]
mod sent_histories;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures Tallyline beside its peers, and soaks it")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writers, refreshers and readers at once: no reading may be wrong, no figure may drift
    Soak(soak::Args),
    /// One changed call of a tenant, beside recomputing the tenant's day from its calls
    RollUp(roll_up::Args),
    /// All figures of all calls from one scan, beside GROUP BY in PostgreSQL
    Rebuild(rebuild::Args),
    /// From the acceptance of a webhook to its figures
    Fresh(fresh::Args),
    /// Durable webhooks a second over real sockets, beside one COMMIT a request and raw INSERTs
    Ingest(ingest::Args),
    /// Every page and route of the API, at 100 thousand and at 10 million calls
    Page(page::Args),
    /// Events a second from inbox to calls, beside one transaction an event
    Process(process::Args),
    /// Jobs a second, latency, WAL and dead tuples of the job queue, beside its peers
    Queue(queue::Args),
    /// Random histories sent at once: each stored call beside the fold of its stored events
    Histories(histories::Args),
    /// Run one of the others and keep its result in docs/benchmarks.jsonl
    Record(record::Args),
    /// Make docs/benchmarks.md of the results that were kept
    Report(report::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let good = match command {
        Command::Soak(args) => soak::run(args).await?,
        Command::RollUp(args) => roll_up::run(args).await?,
        Command::Rebuild(args) => rebuild::run(args).await?,
        Command::Fresh(args) => fresh::run(args).await?,
        Command::Ingest(args) => ingest::run(args).await?,
        Command::Page(args) => page::run(args).await?,
        Command::Process(args) => process::run(args).await?,
        Command::Queue(args) => return queue::run(args).await,
        Command::Histories(args) => histories::run(args).await?,
        Command::Record(args) => record::run(args).await?,
        Command::Report(args) => report::run(&args)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
