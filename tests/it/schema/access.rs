//! Who sees and writes what: the role of one tenant's request, and the daemon's.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "names of relations are constants of this file"
)]

use std::collections::BTreeSet;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection};
use tallyline_db::pool::{self, PoolError, PoolOptions, tenant_tx};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::fixture::{self, Tenant};

/// What a tenant's request may read: all of schema public that is the tenant's, but for its sessions.
const READABLE: [&str; 17] = [
    "agent_analytics",
    "agents",
    "call_analytics_cache",
    "calls",
    "contacts",
    "credit_transactions",
    "customer_figures",
    "customers",
    "dashboard_cache",
    "follow_ups",
    "lead_analytics",
    "my_kpi_summary",
    "transcripts",
    "twilio_processed_calls",
    "user_analytics",
    "user_daily_analytics",
    "users",
];

/// Statements that a tenant's request is refused.
const REFUSED: [&str; 17] = [
    "SELECT password_hash FROM public.users",
    "SELECT * FROM public.users",
    "SELECT FROM public.user_kpi_summary",
    "SELECT FROM public.user_sessions",
    "SELECT FROM public.phone_numbers",
    "SELECT FROM public.login_attempts",
    "SELECT FROM public.system_config",
    "INSERT INTO public.contacts (user_id, name, phone_number) SELECT id, 'Mine', '1' FROM public.users",
    "UPDATE public.calls SET summary = ''",
    "DELETE FROM public.calls",
    "TRUNCATE public.dashboard_cache",
    "UPDATE public.my_kpi_summary SET name = ''",
    "CREATE TABLE public.mine ()",
    "SELECT FROM tally.inbox",
    "SELECT FROM tally.contact_archive",
    "SELECT tally.ensure_zone('UTC')",
    "SELECT tally.refresh_kpi_summary()",
];

async fn two_tenants() -> (TestDb, Tenant, Tenant) {
    let db = TestDb::new().await;
    let tenants = (fixture::tenant(&db, "a").await, fixture::tenant(&db, "b").await);
    fixture::platform(&db).await;
    sqlx::raw_sql("SELECT tally.refresh_kpi_summary()").execute(&db.pool).await.unwrap();
    (db, tenants.0, tenants.1)
}

/// Whose rows of a relation can be seen, one entry a row.
async fn owners(connection: &mut PgConnection, relation: &str) -> Vec<Uuid> {
    let key = if relation == "users" { "id" } else { "user_id" };
    let select = format!("SELECT {key} FROM public.{relation} ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(connection).await.unwrap()
}

/// Rows of all readable relations together.
async fn visible(connection: &mut PgConnection) -> usize {
    let mut rows = 0;
    for relation in READABLE {
        rows += owners(connection, relation).await.len();
    }
    rows
}

async fn become_api(connection: &mut PgConnection) {
    sqlx::raw_sql("SET LOCAL ROLE tallyline_api").execute(connection).await.unwrap();
}

/// Breaks seen: row-level security disabled on customers; user_daily_analytics without `security_invoker`.
#[tokio::test]
async fn a_tenant_sees_all_its_rows_and_no_others() {
    let (db, a, b) = two_tenants().await;
    for tenant in [a.user_id, b.user_id] {
        let mut tx = tenant_tx(&db.pool, tenant).await.unwrap();
        for relation in READABLE {
            // The tenant's view shows nobody else anything, so what lies beneath is asked.
            let beneath = if relation == "my_kpi_summary" { "user_kpi_summary" } else { relation };
            let mut expected = owners(&mut db.admin.acquire().await.unwrap(), beneath).await;
            let all = expected.len();
            expected.retain(|owner| *owner == tenant);
            assert!(!expected.is_empty() && expected.len() * 2 == all, "{relation} is not filled for both");
            assert_eq!(owners(&mut tx, relation).await, expected, "{relation}");
        }
    }
}

/// Break seen: `coalesce(current_tenant(), user_id)` in a policy.
#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    let (db, ..) = two_tenants().await;
    for tenant in [None, Some("")] {
        let mut tx = db.pool.begin().await.unwrap();
        if let Some(tenant) = tenant {
            let set = sqlx::query("SELECT set_config('tally.user_id', $1, true)").bind(tenant);
            set.execute(&mut *tx).await.unwrap();
        }
        become_api(&mut tx).await;
        assert_eq!(visible(&mut tx).await, 0);
    }
    let mut tx = tenant_tx(&db.pool, Uuid::new_v4()).await.unwrap();
    assert_eq!(visible(&mut tx).await, 0);
}

/// Break seen: `GRANT SELECT ON public.users TO tallyline_api`.
#[tokio::test]
async fn a_tenant_is_refused_what_is_not_its_business() {
    let (db, a, _) = two_tenants().await;
    for sql in REFUSED {
        let mut tx = tenant_tx(&db.pool, a.user_id).await.unwrap();
        let error = sqlx::raw_sql(sql).execute(&mut *tx).await.expect_err(sql);
        // A view that joins cannot be written to by anyone.
        assert!(["42501", "55000"].contains(&fixture::refusal(&error).as_str()), "{sql}: {error}");
    }
}

/// Breaks seen: a table more readable; INSERT on one column granted; EXECUTE on a function of tally left to PUBLIC.
#[tokio::test]
async fn the_rights_of_a_tenant_are_these() {
    let db = TestDb::new().await;
    let readable = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
                    AND has_any_column_privilege('tallyline_api', oid, 'SELECT')";
    let readable: BTreeSet<String> = fixture::texts(&db.admin, readable).await.into_iter().collect();
    assert_eq!(readable, READABLE.map(str::to_owned).into());
    let beyond = fixture::texts(&db.admin, include_str!("rights_beyond_reading.sql")).await;
    // A view reads it for the tenant, who cannot name it: the schema is closed.
    assert_eq!(beyond, ["tally.contact_archive SELECT"]);
}

/// Breaks seen: row-level security disabled on user_sessions, which no tenant may read anyhow; forced on calls.
#[tokio::test]
async fn every_tenants_table_has_row_level_security_unforced() {
    let db = TestDb::new().await;
    let sql = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
               AND (c.relname = 'users' OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id'))
               AND (NOT c.relrowsecurity OR c.relforcerowsecurity)";
    assert_eq!(fixture::texts(&db.admin, sql).await, Vec::<String>::new());
}

/// Break seen: the policy calls_worker dropped.
#[tokio::test]
async fn the_daemon_sees_every_tenant() {
    let (db, ..) = two_tenants().await;
    for relation in
        READABLE.iter().filter(|relation| **relation != "my_kpi_summary").chain(&["user_sessions", "user_kpi_summary"])
    {
        let all = owners(&mut db.admin.acquire().await.unwrap(), relation).await;
        assert_eq!(owners(&mut db.pool.acquire().await.unwrap(), relation).await, all, "{relation}");
        assert!(all.len() >= 2, "{relation}");
    }
}

/// Break seen: `set_config('tally.user_id', …, false)` in `tenant_tx`.
#[tokio::test]
async fn nothing_leaks_into_the_next_transaction_of_a_connection() {
    let (db, a, _) = two_tenants().await;
    let one = PoolOptions { max_connections: 1, ..PoolOptions::new(db.url.as_str()) };
    let one = pool::connect(&one).await.unwrap();
    let session = "SELECT pg_backend_pid()::text";
    let pid = fixture::texts(&one, session).await;
    for commit in [true, false] {
        let mut tx = tenant_tx(&one, a.user_id).await.unwrap();
        assert!(visible(&mut tx).await > 0);
        if commit {
            tx.commit().await.unwrap()
        } else {
            tx.rollback().await.unwrap()
        }
        let mut tx = one.begin().await.unwrap();
        become_api(&mut tx).await;
        assert_eq!(visible(&mut tx).await, 0, "after commit: {commit}");
    }
    let set = sqlx::query("SELECT set_config('tally.user_id', $1, false)").bind(a.user_id.to_string());
    set.execute(&one).await.unwrap();
    sqlx::raw_sql("RESET ALL").execute(&one).await.unwrap();
    let mut tx = one.begin().await.unwrap();
    become_api(&mut tx).await;
    assert_eq!(visible(&mut tx).await, 0, "after RESET ALL");
    drop(tx);
    assert_eq!(fixture::texts(&one, session).await, pid, "one connection");
}

/// The quarters marked since the last look, as texts in UTC.
async fn marked(db: &TestDb) -> BTreeSet<String> {
    let sql = "DELETE FROM tally.rollup_marks RETURNING tier || ' ' || to_char(bucket_start, 'YYYY-MM-DD HH24:MI')";
    fixture::texts(&db.pool, sql).await.into_iter().collect()
}

/// Breaks seen: a trigger's function without SECURITY DEFINER where the worker may not write marks; only the new
/// side of an update marked; every update marked.
#[tokio::test]
async fn what_the_daemon_changes_is_marked() {
    let db = TestDb::new().await;
    let tenant = fixture::tenant(&db, "a").await;
    marked(&db).await;
    for (sql, expected) in [
        ("UPDATE public.calls SET duration_seconds = 61 WHERE id = $1", &["0 2026-01-05 00:00"][..]),
        (
            "UPDATE public.calls SET started_at = '2026-01-06 10:20Z' WHERE id = $1",
            &["0 2026-01-05 00:00", "0 2026-01-06 10:15"],
        ),
        ("UPDATE public.calls SET summary = 'Long' WHERE id = $1", &[]),
        (
            "UPDATE public.lead_analytics SET intent_score = 3 WHERE call_id = $1 AND analysis_type = 'individual'",
            &["0 2026-01-06 10:15"],
        ),
        ("UPDATE public.lead_analytics SET intent_score = 3 WHERE call_id = $1 AND analysis_type = 'complete'", &[]),
        ("DELETE FROM public.lead_analytics WHERE call_id = $1", &["0 2026-01-06 10:15"]),
        (
            "INSERT INTO public.lead_analytics (user_id, call_id) SELECT user_id, id FROM public.calls WHERE id = $1",
            &["0 2026-01-06 10:15"],
        ),
    ] {
        sqlx::query(sql).bind(tenant.call_id).execute(&db.pool).await.unwrap();
        assert_eq!(marked(&db).await, expected.iter().map(|mark| (*mark).to_owned()).collect(), "{sql}");
    }
    let delete = sqlx::query("DELETE FROM public.calls WHERE id = $1").bind(tenant.spare_call_id);
    delete.execute(&db.pool).await.unwrap();
    assert_eq!(marked(&db).await, ["0 2026-01-05 00:00".to_owned()].into());
}

/// A pool of one connection that did `sql` first.
async fn pool_after(url: &str, sql: &'static str) -> PgPool {
    let begin = PgPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
        Box::pin(async move { sqlx::raw_sql(sql).execute(connection).await.map(drop) })
    });
    begin.connect(url).await.unwrap()
}

/// Break seen: each of the three answers left out of `refuse_privileged`.
#[tokio::test]
async fn who_is_not_bound_by_policies_is_refused() {
    let db = TestDb::new().await;
    pool::refuse_privileged(&db.pool).await.unwrap();
    let owner = pool_after(&db.url, "SET ROLE tallyline_owner").await;
    // Never committed, so no role is left behind.
    let bypass = "BEGIN; CREATE ROLE tallyline_test_bypass BYPASSRLS; SET ROLE tallyline_test_bypass";
    let bypass = pool_after(&db.admin_url, bypass).await;
    for (pool, expected) in [(&db.admin, "is a superuser"), (&owner, "owns the tables"), (&bypass, "has BYPASSRLS")] {
        let error = pool::refuse_privileged(pool).await.unwrap_err();
        assert!(matches!(error, PoolError::Privileged { why, .. } if why == expected), "{error}");
    }
}
