//! A database of many calls for pages to be made of: tenants of unequal size, calls
//! with contacts, leads, ledger and events, roll-ups and caches by the product.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallyline::config::Config;
use tallyline::daemon::{Daemon, Role};
use tallyline_testkit::TestDb;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Handle;
use crate::stage;

const WORKERS: usize = 2;
/// Calls of one statement.
const PART: i64 = 250_000;
/// Calls with a contact, on average.
const CALLS_A_CONTACT: i64 = 8;
/// Longest wait for the caches.
const PATIENCE: Duration = Duration::from_secs(900);

/// A tenant and how many calls it has.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub user_id: Uuid,
    pub zone: String,
    pub calls: i64,
}

/// Fills `db` with about `calls` calls; the tenants, those with most calls first.
pub async fn fill(
    db: &Arc<TestDb>,
    config: &Arc<Config>,
    metrics: &Handle,
    calls: i64,
    tenants: i32,
) -> anyhow::Result<Vec<Tenant>> {
    let began = Instant::now();
    sqlx::query(include_str!("../../sql/page/tenants.sql")).bind(tenants).execute(&db.admin).await?;
    let tenants = Arc::new(shares(db, calls).await?);
    each(db, &tenants, |db, tenant| async move { fill_tenant(&db, &tenant).await }).await?;
    sqlx::query("VACUUM ANALYZE").execute(&db.admin).await?;
    println!("  calls and what belongs to them   {:>7.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    stage::backfill_by_scan(db, WORKERS).await?;
    println!("  roll-ups, by a backfill          {:>7.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    build_caches(db, config, metrics, tenants.len()).await?;
    sqlx::query(include_str!("../../sql/page/platform.sql")).execute(&db.admin).await?;
    sqlx::query("VACUUM ANALYZE").execute(&db.admin).await?;
    println!("  caches, by their jobs            {:>7.1} s", began.elapsed().as_secs_f64());
    Ok(tenants.to_vec())
}

/// The k-th tenant has 1/√k of what the first has: of 200, the first has fourteen times the last.
async fn shares(db: &TestDb, calls: i64) -> anyhow::Result<Vec<Tenant>> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT id, timezone FROM users WHERE email LIKE 'tenant-%' ORDER BY name")
            .fetch_all(&db.admin)
            .await?;
    let weight = |at: usize| 1.0 / ((at + 1) as f64).sqrt();
    let all: f64 = (0..rows.len()).map(weight).sum();
    let of = |at: usize| (calls as f64 * weight(at) / all) as i64;
    Ok(rows
        .into_iter()
        .enumerate()
        .map(|(at, (user_id, zone))| Tenant { user_id, zone, calls: of(at).max(100) })
        .collect())
}

async fn each<F, R>(db: &Arc<TestDb>, tenants: &Arc<Vec<Tenant>>, work: F) -> anyhow::Result<()>
where
    F: Fn(Arc<TestDb>, Tenant) -> R + Send + Copy + 'static,
    R: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for worker in 0..WORKERS {
        let (db, tenants) = (Arc::clone(db), Arc::clone(tenants));
        tasks.spawn(async move {
            for tenant in tenants.iter().skip(worker).step_by(WORKERS) {
                work(Arc::clone(&db), tenant.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Without triggers: what they would keep is made by the statements themselves, the
/// figures by the backfill.
async fn fill_tenant(db: &TestDb, tenant: &Tenant) -> anyhow::Result<()> {
    let mut tx = db.admin.begin().await?;
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await?;
    sqlx::query("SET LOCAL work_mem = '256MB'").execute(&mut *tx).await?;
    let contacts = i32::try_from((tenant.calls / CALLS_A_CONTACT).max(20))?;
    let mut first = 0;
    while first < tenant.calls {
        sqlx::query(include_str!("../../sql/page/calls.sql"))
            .bind(tenant.user_id)
            .bind(PART.min(tenant.calls - first))
            .bind(first)
            .bind(&tenant.zone)
            .bind(contacts)
            .execute(&mut *tx)
            .await?;
        first += PART;
    }
    sqlx::query(include_str!("../../sql/page/contacts.sql"))
        .bind(tenant.user_id)
        .bind(contacts)
        .execute(&mut *tx)
        .await?;
    for of_all_calls in [include_str!("../../sql/page/leads.sql"), include_str!("../../sql/page/people.sql")] {
        sqlx::query(of_all_calls).bind(tenant.user_id).bind(tenant.calls).execute(&mut *tx).await?;
    }
    sqlx::query(include_str!("../../sql/page/events.sql"))
        .bind(tenant.user_id)
        .bind(tenant.calls)
        .bind(facts()?)
        .execute(&mut *tx)
        .await?;
    for statement in [
        include_str!("../../sql/page/ledger.sql"),
        include_str!("../../sql/page/complete_leads.sql"),
        include_str!("../../sql/page/inbox.sql"),
    ] {
        sqlx::query(statement).bind(tenant.user_id).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What the events of a call say, as the receiver's parser reads them.
fn facts() -> anyhow::Result<Vec<serde_json::Value>> {
    let stages = ["ringing", "call-disconnected", "completed"];
    let events = stages.into_iter().enumerate().map(|(at, status)| {
        let body = serde_json::json!({
            "id": "00000000-0000-4000-8000-000000000001", "agent_id": "agent-1", "status": status,
            "created_at": "2026-03-01T10:11:08.193399", "updated_at": format!("2026-03-01T10:1{at}:08.193399"),
            "conversation_duration": if at == 0 { 0.0 } else { 20.5 }, "total_cost": if at == 2 { 3.54 } else { 0.0 },
            "telephony_data": { "to_number": "+12025550101", "from_number": "+12025550100", "call_type": "outbound",
                                "provider": "plivo", "provider_call_id": "plivo-1" }
        });
        let now = chrono::DateTime::parse_from_rfc3339("2026-03-01T10:13:00Z")?.to_utc();
        let event = tallyline_model::parse_bolna(body.to_string().as_bytes(), now, [u8::try_from(at)?; 32])
            .map_err(|reject| anyhow::anyhow!("the bench's event is none: {reject:?}"))?;
        Ok(serde_json::to_value(&event)?)
    });
    events.collect()
}

/// Lets the whole daemon run until every tenant's caches are there.
async fn build_caches(db: &TestDb, config: &Arc<Config>, metrics: &Handle, tenants: usize) -> anyhow::Result<()> {
    for ask in [
        "SELECT tally.request_job('rebuild_dashboards', 'tenant', id) FROM users WHERE email LIKE 'tenant-%'",
        "SELECT tally.request_job('analyze_trends', 'tenant', id) FROM users WHERE email LIKE 'tenant-%'",
        "SELECT tally.request_job('refresh_kpi_summary', 'view', NULL)",
    ] {
        sqlx::query(ask).execute(&db.admin).await?;
    }
    let daemon = Daemon::start(Arc::clone(config), &db.url, &Role::ALL, metrics.clone()).await?;
    let began = Instant::now();
    loop {
        let built: i64 =
            sqlx::query_scalar("SELECT count(*) FROM dashboard_cache WHERE cache_key IN ('overview', 'trends')")
                .fetch_one(&db.admin)
                .await?;
        if usize::try_from(built)? >= 2 * tenants {
            break;
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "{built} of {} caches after {PATIENCE:?}", 2 * tenants);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    daemon.stop().await?;
    Ok(())
}
