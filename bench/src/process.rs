//! Events a second from the inbox to calls, roll-up marks and ledger: batches,
//! beside the same statements with one transaction an event.
//!
//! Both sides work through the same events, each in a database of its own.

use std::time::Instant;

use sha2::{Digest, Sha256};
use tallyline_jobs::process_call_events::{Options, run_unit};
use tallyline_testkit::TestDb;
use uuid::Uuid;

const AGENT: &str = "00000000-0000-4000-8000-0000000000a1";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Calls, of three events each
    #[arg(long, default_value_t = 2_000)]
    calls: usize,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Runs both sides.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let single = events_per_second(1, args.calls).await?;
    let batch = events_per_second(500, args.calls).await?;
    println!("one transaction an event   {single:>8.0} events/s");
    println!("batches of 500             {batch:>8.0} events/s");
    println!("ratio                      {:>8.1} ×", batch / single);
    if args.json {
        let line = serde_json::json!({ "bench": "process", "calls": args.calls, "single_events_per_second": single,
            "batch_events_per_second": batch, "ratios": { "transaction_per_event": batch / single } });
        println!("{line}");
    }
    Ok(true)
}

async fn events_per_second(batch_events: i64, calls: usize) -> anyhow::Result<f64> {
    let db = TestDb::new().await;
    let events = fill(&db, calls).await?;
    let options = Options {
        batch_events,
        batch_bytes: 16 << 20,
        batch_tenants: 16,
        twilio_wait_seconds: 900.0,
        max_lane_claims: 3,
        max_event_claims: 3,
        follow_up_default_days: 1,
    };
    let started = Instant::now();
    let mut applied = 0;
    while applied < events {
        let taken = run_unit(&db.pool, &options).await?;
        anyhow::ensure!(taken > 0, "the inbox ran dry after {applied} of {events} events");
        applied += taken;
    }
    Ok(events as f64 / started.elapsed().as_secs_f64())
}

/// A tenant and the three events of each of its calls, in the order of arrival.
async fn fill(db: &TestDb, calls: usize) -> anyhow::Result<usize> {
    let user = Uuid::new_v4();
    for sql in [
        "INSERT INTO users (id, email, name) VALUES ($1, 'bench@example.test', 'Bench')",
        "INSERT INTO tally.lanes (user_id) VALUES ($1)",
    ] {
        sqlx::query(sql).bind(user).execute(&db.admin).await?;
    }
    sqlx::query("INSERT INTO agents (user_id, name, bolna_agent_id) VALUES ($1, 'Agent', $2)")
        .bind(user)
        .bind(AGENT)
        .execute(&db.admin)
        .await?;
    let bodies: Vec<Vec<u8>> = (0..calls).flat_map(|call| (0..3).map(move |stage| body(call, stage))).collect();
    let hashes: Vec<Vec<u8>> = bodies.iter().map(|body| Sha256::digest(body).to_vec()).collect();
    sqlx::query(
        "WITH stored AS (
             INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body)
             SELECT $1, 'bolna', 'endpoint-of-a-bench', h, b FROM unnest($2::bytea[], $3::bytea[]) AS e (h, b)
             RETURNING user_id, id, received_at)
         INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at) SELECT user_id, id, received_at FROM stored",
    )
    .bind(user)
    .bind(&hashes)
    .bind(&bodies)
    .execute(&db.admin)
    .await?;
    sqlx::query("ANALYZE").execute(&db.admin).await?;
    Ok(bodies.len())
}

fn body(call: usize, stage: usize) -> Vec<u8> {
    let status = ["ringing", "call-disconnected", "completed"][stage];
    let seconds = if stage == 0 { 0.0 } else { 20.5 + (call % 200) as f64 };
    let transcript = if stage == 0 { "" } else { &"assistant: Is this a good time?\nuser:  yes, go on\n".repeat(20) };
    serde_json::json!({
        "id": format!("00000000-0000-4000-8000-{call:012x}"), "agent_id": AGENT, "status": status,
        "created_at": format!("2026-03-{:02}T10:11:08.193399", 1 + call % 28),
        "updated_at": format!("2026-03-{:02}T10:1{}:08.193399", 1 + call % 28, 2 + stage),
        "conversation_duration": seconds, "total_cost": if stage == 2 { 3.54 } else { 0.0 }, "transcript": transcript,
        "telephony_data": {
            "to_number": format!("+1202555{:04}", call % 1500), "from_number": "+12025550100", "call_type": "outbound",
            "provider": "plivo", "provider_call_id": format!("plivo-{call}")
        }
    })
    .to_string()
    .into_bytes()
}
