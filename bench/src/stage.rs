//! Tenants and calls to measure on.

use sqlx::PgPool;
use tallyline_testkit::TestDb;
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
