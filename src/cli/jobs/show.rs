//! `tallyline jobs show`.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;
use tallyline_queue::admin::{self, Attempt, JobDetails, Letter, LiveJob};

use crate::cli::Outcome;
use crate::cli::names::NotThere;
use crate::cli::table::{grouped, table};

const EXAMPLES: &str = "\
Examples:
  tallyline jobs show 4711
  tallyline jobs show 4711 --attempts 100 --payload --json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    job: i64,
    /// Attempts that are shown, the newest first
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..=10_000))]
    attempts: i64,
    /// Show the payload, too: it may hold what is nobody's business
    #[arg(long)]
    payload: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(pool: &PgPool, args: Args) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    let details = admin::show(&mut db, args.job, args.attempts).await?.ok_or_else(|| NotThere::job(args.job))?;
    if args.json {
        let mut value = serde_json::to_value(&details)?;
        value["trace_id"] = json!(details.trace_id());
        if args.payload {
            value["payload"] = json!(details.payload());
        }
        println!("{value}");
        return Ok(Outcome::Fine);
    }
    print(&details);
    if args.payload {
        match details.payload() {
            Some(payload) => println!("\npayload\n{payload:#}"),
            None => println!("\npayload: gone with the job"),
        }
    }
    Ok(Outcome::Fine)
}

fn print(details: &JobDetails) {
    println!("job {}", details.job_id);
    if let Some(live) = &details.live {
        print_live(live);
    }
    for letter in &details.letters {
        print_letter(letter);
    }
    if details.live.is_none()
        && details.letters.is_empty()
        && let Some(last) = details.attempts.first()
    {
        line("state", format!("ended: {}", last.outcome));
        head(&last.kind, &last.queue, last.tenant, last.queued_at);
    }
    if let Some(trace) = details.trace_id() {
        line("trace", trace);
    }
    print_attempts(&details.attempts);
    if let Some((attempt, log)) = details.attempts.iter().find_map(|a| a.log.as_ref().map(|log| (a, log))) {
        println!("\nlast lines of claim {}", attempt.claim);
        println!("{log}");
    }
}

fn line(name: &str, value: impl std::fmt::Display) {
    println!("{name:<10} {value}");
}

fn head(kind: &str, queue: &str, tenant: Option<uuid::Uuid>, queued_at: DateTime<Utc>) {
    line("kind", format!("{kind} in queue {queue}"));
    if let Some(tenant) = tenant {
        line("tenant", tenant);
    }
    line("enqueued", moment(queued_at));
}

fn print_live(live: &LiveJob) {
    let paused = if live.paused { ", paused" } else { "" };
    line("state", format!("{}{paused}", live.state));
    head(&live.kind, &live.queue, live.tenant, live.queued_at);
    line("priority", live.priority);
    line("attempts", format!("{} of {}, {} claims, {} lost", live.attempt, live.max_attempts, live.claims, live.lost));
    match (live.claimed_at, live.deadline_at) {
        (Some(claimed), Some(deadline)) => {
            line("running", format!("since {}, until {} at the latest", moment(claimed), moment(deadline)));
            let process = live.process.as_deref().unwrap_or("one whose lease is gone");
            let lease = live.lease_id.map(|id| format!(" (lease {id})")).unwrap_or_default();
            line("process", format!("{process}{lease}"));
        }
        _ => line("due", moment(live.run_at)),
    }
    if let Some(key) = &live.coalesce_key {
        line("coalesced", format!("by key {key}; {} requests not answered yet", grouped(live.requests_open)));
    }
    if let (Some(key), Some(scope)) = (&live.unique_key, &live.unique_scope) {
        let until = live.unique_until.map(|at| format!(" until {}", moment(at))).unwrap_or_default();
        line("unique", format!("key {key}, while {scope}{until}"));
    }
    if let Some(slot) = live.permit_slot {
        line("permit", format!("{slot} of its tenant"));
    }
    if let Some(at) = live.cancel_requested_at {
        let reason = live.cancel_reason.as_deref().unwrap_or_default();
        line("cancelled", format!("asked for at {}: {reason}", moment(at)));
    }
    if let Some(error) = &live.last_error {
        line("error", error);
    }
}

fn print_letter(letter: &Letter) {
    line("dead", format!("letter {} of {}: {}", letter.dead_id, moment(letter.dead_at), letter.reason));
    head(&letter.kind, &letter.queue, letter.tenant, letter.queued_at);
    line("attempts", format!("{} of {}, {} claims", letter.attempts, letter.max_attempts, letter.claims));
    if let Some(key) = &letter.coalesce_key {
        line("coalesced", format!("by key {key}"));
    }
}

fn print_attempts(attempts: &[Attempt]) {
    if attempts.is_empty() {
        println!("no attempt has ended yet, or history does not keep it any more");
        return;
    }
    let mut table = table(&["claim", "attempt", "outcome", "ended (UTC)", "ms", "process", "error"], 100);
    for attempt in attempts {
        table.add_row([
            attempt.claim.to_string(),
            attempt.attempt.to_string(),
            attempt.outcome.clone(),
            moment(attempt.finished_at),
            attempt.duration_ms.map(grouped).unwrap_or_default(),
            attempt.process.clone().unwrap_or_default(),
            attempt.error.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
