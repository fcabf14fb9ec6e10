//! One changed call of a tenant with many: from its commit to every figure right,
//! beside recomputing the tenant's day from its calls.
//!
//! The calls of a day are as many at every size, so that what grows is the table.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tallyline_jobs::roll_up::{self, Options};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::stage;

const ZONE: &str = "Asia/Kolkata";
const CALLS_A_DAY: i64 = 10_000;
const FIRST_DAY: &str = "2023-01-01";
/// The day whose calls change, the first of the table.
const DAY: (&str, &str) = ("2022-12-31T18:30:00Z", "2023-01-01T18:30:00Z");

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sizes of the table, calls of the tenant
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000, 10_000_000])]
    calls: Vec<i64>,
    /// Changes measured at each size
    #[arg(long, default_value_t = 50)]
    changes: usize,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Medians, milliseconds.
struct Measured {
    calls: i64,
    changed: f64,
    day: f64,
}

/// Measures every size.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let mut all = Vec::new();
    for calls in &args.calls {
        let measured = measure(*calls, args.changes).await?;
        println!(
            "{:>11} calls: one changed call {:>7.2} ms, the day from its calls {:>8.2} ms, ratio {:.1} ×",
            measured.calls,
            measured.changed,
            measured.day,
            measured.day / measured.changed
        );
        all.push(measured);
    }
    let growth = match (all.first(), all.last()) {
        (Some(first), Some(last)) => last.changed / first.changed,
        _ => 1.0,
    };
    println!("a changed call costs {growth:.2} × in the largest table of what it costs in the smallest");
    if args.json {
        let sizes: Vec<_> = all
            .iter()
            .map(|m| serde_json::json!({ "calls": m.calls, "changed_call_ms": m.changed, "day_ms": m.day, "ratio": m.day / m.changed }))
            .collect();
        println!("{}", serde_json::json!({ "bench": "roll_up", "sizes": sizes, "growth": growth }));
    }
    Ok(true)
}

async fn measure(calls: i64, changes: usize) -> anyhow::Result<Measured> {
    let db = TestDb::try_new().await?;
    let user_id = stage::tenant(&db, ZONE, 5).await?;
    stage::fill(&db, user_id, ZONE, FIRST_DAY, calls / CALLS_A_DAY, calls).await?;
    sqlx::query("VACUUM ANALYZE").execute(&db.admin).await?;
    let (from, to): (DateTime<Utc>, DateTime<Utc>) = (DAY.0.parse()?, DAY.1.parse()?);
    sqlx::query("SELECT tally.mark_calls($1, $2, $3)").bind(user_id).bind(from).bind(to).execute(&db.admin).await?;
    settle(&db).await?;
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM calls WHERE user_id = $1 AND started_at >= $2 AND started_at < $3 ORDER BY md5(id::text) LIMIT $4",
    )
    .bind(user_id)
    .bind(from)
    .bind(to)
    .bind(i64::try_from(changes)?)
    .fetch_all(&db.admin)
    .await?;
    let (mut changed, mut day) = (Vec::new(), Vec::new());
    for id in ids {
        sqlx::query("UPDATE calls SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND id = $2")
            .bind(user_id)
            .bind(id)
            .execute(&db.pool)
            .await?;
        let began = Instant::now();
        settle(&db).await?;
        changed.push(began.elapsed());
        let began = Instant::now();
        sqlx::query(include_str!("../sql/day_from_calls.sql"))
            .bind(user_id)
            .bind(from)
            .bind(to)
            .execute(&db.pool)
            .await?;
        day.push(began.elapsed());
    }
    Ok(Measured { calls, changed: median(changed), day: median(day) })
}

/// Until no mark is left, by the product's own unit.
async fn settle(db: &TestDb) -> anyhow::Result<()> {
    while roll_up::run_unit(&db.pool, &Options::default()).await? > 0 {}
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
