//! The whole daemon as a process of its own under a steady load, one request in
//! twenty of it bad: how soon it acknowledges, how much memory it takes, and
//! whether every answer and every count is as it must be.
//!
//! Requests come by the clock whatever became of those before (an open loop), and
//! are timed from the instant at which they were due, not from when they were sent:
//! a server that stands still for a second pays for all that was due in it.
//! `fsync` is on meanwhile.

mod client;
mod counts;
mod daemon;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tallyline_testkit::TestDb;
use tokio::time::Instant;

use self::counts::Counts;
use self::daemon::{Daemon, Memory};
use self::traffic::{Kind, Tally, Traffic};
use crate::{fresh, ingest};

/// Longest wait for what was sent to be applied and counted.
const PATIENCE: Duration = Duration::from_secs(900);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Webhooks a second, the bad ones included
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    #[arg(long, default_value_t = 20)]
    tenants: usize,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Sends, waits until all is counted, and checks.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let db = TestDb::try_new().await?;
    ingest::fsync(&db, true).await?;
    let measured = measure(&args, &db).await;
    ingest::fsync(&db, false).await?;
    measured
}

async fn measure(args: &Args, db: &TestDb) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let config = fresh::configuration(db, folder.path())?;
    let tenants = fresh::provision(&db.pool, &config, args.tenants.max(1)).await?;
    let mut daemon = Daemon::start(db, &config.secrets.key, folder.path()).await?;
    let total = u64::from(args.rate.max(1)) * u64::from(args.minutes) * 60;
    let traffic = Arc::new(Traffic::new(daemon.address, tenants, db).await?);
    let memory = daemon.watch_memory();

    let began = Instant::now();
    let slow = traffic::send(&traffic, args.rate.max(1), total).await;
    let sent_for = began.elapsed();
    let drained = drain(db).await?;
    slow.join_all().await;
    let tally = traffic.take_tally();
    let memory = memory.finish().await?;
    daemon.is_alive().with_context(|| format!("the daemon's log ends: {}", daemon.log_end()))?;

    let counts = Counts::read(db).await?;
    let wrong = counts.wrong(&tally, drained.is_some());
    print(args, &tally, &memory, drained, &wrong);
    counts.print();
    if args.json {
        println!("{}", json(args, &tally, &memory, drained, &wrong, sent_for));
    }
    Ok(wrong.is_empty())
}

/// Seconds from the last answer until the inbox was empty, and until all figures were
/// computed; none when that took too long.
async fn drain(db: &TestDb) -> anyhow::Result<Option<[f64; 2]>> {
    let began = Instant::now();
    let mut seconds = [0.0; 2];
    let left = [
        "SELECT EXISTS (SELECT FROM tally.inbox_pending)",
        "SELECT EXISTS (SELECT FROM tally.inbox_pending) OR EXISTS (SELECT FROM tally.rollup_marks)",
    ];
    for (left, seconds) in left.into_iter().zip(&mut seconds) {
        while sqlx::query_scalar::<_, bool>(left).fetch_one(&db.admin).await? {
            if began.elapsed() > PATIENCE {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        *seconds = began.elapsed().as_secs_f64();
    }
    Ok(Some(seconds))
}

fn print(args: &Args, tally: &Tally, memory: &Memory, drained: Option<[f64; 2]>, wrong: &[String]) {
    println!("{} webhooks, offered {}/s, achieved {:.1}/s", tally.sent(), args.rate, tally.rate());
    println!("acknowledged after, from the instant that each was due:");
    println!("kind                 answers  status   wrong     p50 ms     p95 ms     p99 ms     max ms");
    for kind in Kind::ALL {
        let [p50, p95, p99, max] = tally.milliseconds(&[kind]);
        println!(
            "{:<20} {:>7} {:>7} {:>7} {p50:>10.2} {p95:>10.2} {p99:>10.2} {max:>10.2}",
            kind.name(),
            tally.answers(kind),
            kind.status(),
            tally.unexpected(kind),
        );
    }
    let [p50, p95, p99, max] = tally.milliseconds(&Kind::BAD_ANSWERED_AT_ONCE);
    println!("all bad ones but the slow: p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms, max {max:.2} ms");
    println!("memory of the daemon, MiB: {}", memory.describe());
    match drained {
        Some([applied, counted]) => {
            println!("after the last answer: applied in {applied:.1} s, counted in {counted:.1} s");
        }
        None => println!("not drained after {} s", PATIENCE.as_secs()),
    }
    for line in wrong {
        println!("WRONG: {line}");
    }
}

fn json(
    args: &Args,
    tally: &Tally,
    memory: &Memory,
    drained: Option<[f64; 2]>,
    wrong: &[String],
    sent_for: Duration,
) -> serde_json::Value {
    let latency = |kinds: &[Kind]| {
        let [p50, p95, p99, max] = tally.milliseconds(kinds);
        serde_json::json!({ "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": max })
    };
    let kinds = Kind::ALL.into_iter().map(|kind| {
        let about = serde_json::json!({
            "answers": tally.answers(kind), "expected_status": kind.status(), "statuses": tally.statuses(kind),
            "acknowledged": latency(&[kind]),
        });
        (kind.name().to_owned(), about)
    });
    serde_json::json!({
        "bench": "load", "offered_rate": args.rate, "achieved_rate": tally.rate(), "seconds": sent_for.as_secs_f64(),
        "good": latency(&[Kind::Good]), "bad": latency(&Kind::BAD_ANSWERED_AT_ONCE),
        "kinds": kinds.collect::<serde_json::Map<_, _>>(), "memory_bytes": memory,
        "drained_seconds": drained.map(|[applied, counted]| serde_json::json!({ "applied": applied, "counted": counted })),
        "wrong": wrong,
    })
}
