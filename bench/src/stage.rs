//! Tenants and calls to measure on.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tallyline_jobs::backfill::{self, Method, Mode, Request};
use tallyline_jobs::roll_up;
use tallyline_testkit::TestDb;
use tokio::task::JoinSet;
use uuid::Uuid;

/// A tenant in a zone, with a lane and agents named by number.
pub async fn tenant(db: &TestDb, zone: &str, agents: i32) -> anyhow::Result<Uuid> {
    let user_id = Uuid::new_v4();
    sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&db.admin).await?;
    sqlx::query("INSERT INTO users (id, email, name, timezone) VALUES ($1, $1 || '@example.test', 'Bench', $2)")
        .bind(user_id)
        .bind(zone)
        .execute(&db.admin)
        .await?;
    sqlx::query("INSERT INTO tally.lanes (user_id) VALUES ($1)").bind(user_id).execute(&db.admin).await?;
    sqlx::query(
        "INSERT INTO agents (user_id, name, bolna_agent_id) SELECT $1, 'Agent', 'agent-' || n FROM generate_series(1, $2) n",
    )
    .bind(user_id)
    .bind(agents)
    .execute(&db.admin)
    .await?;
    Ok(user_id)
}

/// One number.
pub async fn number(pool: &PgPool, sql: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Most memory that this process has held so far, bytes; none where the system does not tell.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Calls of a tenant over local days, and a lead for every tenth, without marks:
/// what is measured afterwards is not the filling.
pub async fn fill(
    db: &TestDb,
    user_id: Uuid,
    zone: &str,
    first_day: &str,
    days: i64,
    calls: i64,
) -> anyhow::Result<()> {
    const PART: i64 = 500_000;
    let mut tx = db.admin.begin().await?;
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await?;
    sqlx::query(
        "INSERT INTO contacts (user_id, id, name, phone_number)
         SELECT $1, md5($1::text || 'c' || n)::uuid, 'Contact', '+1202' || n FROM generate_series(1, 5000) n ON CONFLICT DO NOTHING",
    )
    .bind(user_id)
    .execute(&mut *tx)
    .await?;
    let mut first = 0;
    while first < calls {
        sqlx::query(include_str!("../sql/fill_calls.sql"))
            .bind(user_id)
            .bind(PART.min(calls - first))
            .bind(first_day.parse::<chrono::NaiveDate>()?)
            .bind(days)
            .bind(zone)
            .bind(first)
            .execute(&mut *tx)
            .await?;
        first += PART;
    }
    sqlx::query(
        "INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score, company_name)
         SELECT $1, md5($1::text || n)::uuid, 4 + n % 12, (ARRAY['unqualified', 'cold', 'warm', 'hot'])[1 + n % 4], n % 4, 'Company ' || n % 100
         FROM generate_series(0::bigint, $2 - 1, 10) n",
    )
    .bind(user_id)
    .bind(calls)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The product: a backfill of everything by scan, and the roll-up of the months that it marks.
pub async fn backfill_by_scan(db: &Arc<TestDb>, workers: usize) -> anyhow::Result<()> {
    let request = Request {
        tenant: None,
        first_day: None,
        last_day: None,
        mode: Mode::All,
        method: Some(Method::Scan),
        short_calls: 0,
        max_calls_per_second: None,
        reason: "bench".to_owned(),
    };
    backfill::start(&db.pool, &request).await?;
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let db = Arc::clone(db);
        tasks.spawn(async move {
            // Its own marks for months are no live work to wait for.
            let options = backfill::Options {
                yield_lag: Duration::from_secs(3600),
                yield_longest: Duration::ZERO,
                max_attempts: 1,
                retry_after: Duration::ZERO,
            };
            let pause = backfill::Pause::default();
            while backfill::run_unit(&db.pool, &options, &pause).await? > 0 {}
            while roll_up::run_unit(&db.pool, &roll_up::Options::default()).await? > 0 {}
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
