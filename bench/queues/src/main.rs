//! The queue of Tallyline beside its peers, in one run on one machine.
//!
//! `cargo run --release -p bench -- queue --jobs 50000 --json` builds and runs
//! this; what stands behind `queue` comes here. Every system works on databases
//! of its own on the test server, whose `fsync` is off, and every job's runs are
//! counted: a system that did not run each exactly once fails the run.
//!
//! One system alone, for profiling:
//!
//! ```sh
//! cargo build --release --manifest-path bench/queues/Cargo.toml --target-dir target/queues
//! target/queues/release/bench-queues --only ours --parts throughput --calibrate 0 --rounds 1 --jobs 200000
//! ```
//!
//! `--calibrate 0` takes the first settings of each system instead of trying them all.

mod defects;
mod measure;
mod report;
mod run;
mod stats;
mod system;
mod systems;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
#[command(name = "queue", about = "Measures the queue beside its peers")]
pub struct Args {
    /// Jobs of each measurement of throughput
    #[arg(long, default_value_t = 50_000)]
    jobs: u32,
    /// Rounds of throughput; the median is reported
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Jobs by which the best settings of each system are found; 0 takes the first
    #[arg(long, default_value_t = 20_000)]
    calibrate: u32,
    /// Seconds during which jobs are offered for latency
    #[arg(long, default_value_t = 10)]
    latency_seconds: u32,
    /// Jobs offered a second for latency
    #[arg(long, default_value_t = 200)]
    latency_rate: u32,
    /// Jobs by which WAL and dead tuples are measured
    #[arg(long, default_value_t = 60_000)]
    churn: u32,
    /// Jobs of one tenant behind which a single job of another waits
    #[arg(long, default_value_t = 100_000)]
    backlog: u32,
    /// Only these systems
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these measurements
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Show defects of apalis-postgres instead, beside what ours does in the same place
    #[arg(long)]
    defects: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    /// Be a process that is killed: `apalis` or `ours`
    #[arg(long, hide = true, requires = "url")]
    victim: Option<String>,
    /// Its database
    #[arg(long, hide = true)]
    url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Jobs per second
    Throughput,
    /// From commit to handler
    Latency,
    /// WAL and dead tuples, and what an old snapshot does to both and to the speed
    Bloat,
    /// How long the single job of one tenant waits behind the backlog of another
    Fairness,
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    fn wants_system(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}

/// False when a run is not valid, or the queue under test has a defect.
async fn start(args: Args) -> anyhow::Result<bool> {
    if let (Some(who), Some(url)) = (&args.victim, &args.url) {
        defects::victim(who, url).await?;
        return Ok(true);
    }
    if args.defects { defects::run().await } else { Ok(run::run(args).await) }
}
