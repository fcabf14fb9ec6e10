//! Ten thousand random histories through receiver and worker, and each stored call
//! beside the fold of its stored events.

use crate::sent_histories::{Plan, run as send_and_compare};

/// Differences that are printed; the rest is counted.
const SHOWN: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Histories, a dozen webhooks each
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 8)]
    tenants: usize,
    /// Requests under way at once
    #[arg(long, default_value_t = 64)]
    senders: usize,
    /// Webhooks in a hundred that are sent twice
    #[arg(long, default_value_t = 20)]
    duplicates: usize,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// False when any stored row is not what its events come to.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let plan = Plan {
        histories: args.count,
        seed: args.seed,
        tenants: args.tenants,
        senders: args.senders,
        duplicates_percent: args.duplicates,
        twilio_wait_seconds: 1,
    };
    let report = send_and_compare(&plan).await?;
    println!(
        "{} histories of {} distinct webhooks, {} sent in {:.1} s, all applied after {:.1} s",
        args.count,
        report.distinct,
        report.sent,
        report.sending.as_secs_f64(),
        report.applying.as_secs_f64()
    );
    println!(
        "{} calls ({} were the carrier's alone at first), {} dials, {} legs compared with their events: {} differences",
        report.calls,
        report.adopted,
        report.attempts,
        report.legs,
        report.differences.len()
    );
    for difference in report.differences.iter().take(SHOWN) {
        println!("  {difference}");
    }
    if args.json {
        let object = serde_json::json!({
            "bench": "histories", "seed": args.seed, "histories": args.count, "sent": report.sent,
            "calls": report.calls, "adopted": report.adopted, "attempts": report.attempts, "legs": report.legs,
            "seconds": report.applying.as_secs_f64(), "differences": report.differences.len(),
        });
        println!("{object}");
    }
    Ok(report.differences.is_empty())
}
