//! Roles and pools from outside: who may what, and who is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tallyline_db::embedded::{EmbeddedOptions, EmbeddedServer};
use tallyline_db::migrate::{self, MigrateError};
use tallyline_db::pool::{self, PoolError, PoolOptions};
use tallyline_db::roles::{self, Login};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

async fn text(pool: &PgPool, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

const DATABASES: [&str; 4] = ["tallyline", "other_one", "other_two", "postgres"];
const RUNS: usize = 12;

async fn wait_for_blocked(observer: &mut PgConnection, sessions: usize) {
    let observer = tokio::sync::Mutex::new(observer);
    let all_wait = || async {
        let blocked = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
        let blocked: i64 = blocked.fetch_one(&mut **observer.lock().await).await.unwrap();
        usize::try_from(blocked).unwrap() >= sessions
    };
    wait_until("all runs are blocked", Duration::from_secs(60), all_wait).await;
}

/// On a server of its own, since roles belong to the whole server.
///
/// Break: set `MAX_ATTEMPTS` to 1; some run then fails with unique_violation.
#[tokio::test]
async fn many_processes_may_create_the_roles_at_once() {
    let (dir, server) = own_server().await;
    let home = server.data_dir().parent().unwrap().to_owned();
    let url = server.admin_url();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    for sql in [
        "DROP OWNED BY tallyline_owner, tallyline_worker, tallyline_api, tallyline",
        "DROP ROLE tallyline_owner, tallyline_worker, tallyline_api, tallyline",
        "CREATE DATABASE other_one",
        "CREATE DATABASE other_two",
    ] {
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    }
    // Until this commits, every run finds the role missing and then waits for it.
    let mut first = admin.begin().await.unwrap();
    sqlx::raw_sql("CREATE ROLE tallyline_owner NOLOGIN").execute(&mut *first).await.unwrap();
    let mut runs = tokio::task::JoinSet::new();
    for database in DATABASES.iter().cycle().take(RUNS) {
        let url = url.replace("/tallyline", &format!("/{database}"));
        runs.spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            roles::bootstrap(&mut connection, Some(Login { name: "app", password: Some("secret") })).await
        });
    }
    let mut observer = PgConnection::connect(&url).await.unwrap();
    wait_for_blocked(&mut observer, RUNS).await;
    first.commit().await.unwrap();
    let results = runs.join_all().await;
    let members: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_auth_members WHERE member = 'app'::regrole")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    server.stop().await.unwrap();
    if !home.starts_with(dir.path()) {
        std::fs::remove_dir_all(&home).unwrap();
    }
    for result in results {
        result.unwrap();
    }
    assert_eq!(members, 3);
}

/// A server of the test's own, and what to delete after it.
async fn own_server() -> (tempfile::TempDir, EmbeddedServer) {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        data_dir: dir.path().join(".tallyline"),
        outside_dir: std::env::temp_dir().join("tallyline-test"),
        durable: false,
        ..Default::default()
    };
    let server = EmbeddedServer::start(options).await.unwrap();
    (dir, server)
}

const SEES_SESSIONS: &str = "SELECT pg_has_role('tallyline_worker', 'pg_read_all_stats', 'USAGE')";

/// Break: leave out the handler of insufficient_privilege; the owner's run fails.
#[tokio::test]
async fn the_worker_sees_others_sessions_where_that_may_be_granted() {
    let (dir, server) = own_server().await;
    let home = server.data_dir().parent().unwrap().to_owned();
    let mut admin = PgConnection::connect(&server.admin_url()).await.unwrap();
    let granted: bool = sqlx::query_scalar(SEES_SESSIONS).fetch_one(&mut admin).await.unwrap();
    for sql in [
        "REVOKE pg_read_all_stats FROM tallyline_worker",
        "CREATE ROLE plain LOGIN PASSWORD 'secret'",
        "ALTER DATABASE tallyline OWNER TO plain",
        "ALTER SCHEMA public OWNER TO plain",
    ] {
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    }
    sqlx::raw_sql("SET SESSION AUTHORIZATION plain").execute(&mut admin).await.unwrap();
    let by_the_owner = roles::bootstrap(&mut admin, None).await;
    let not_granted: bool = sqlx::query_scalar(SEES_SESSIONS).fetch_one(&mut admin).await.unwrap();
    sqlx::raw_sql("RESET SESSION AUTHORIZATION").execute(&mut admin).await.unwrap();
    let by_the_superuser = roles::bootstrap(&mut admin, None).await;
    let granted_again: bool = sqlx::query_scalar(SEES_SESSIONS).fetch_one(&mut admin).await.unwrap();
    server.stop().await.unwrap();
    if !home.starts_with(dir.path()) {
        std::fs::remove_dir_all(&home).unwrap();
    }
    by_the_owner.unwrap();
    by_the_superuser.unwrap();
    assert_eq!((granted, not_granted, granted_again), (true, false, true));
}

#[tokio::test]
async fn a_pool_works_as_the_worker_in_utc_with_limits() {
    let db = TestDb::new().await;
    let options = PoolOptions { statement_timeout: Duration::from_millis(1_500), ..PoolOptions::new(db.url.as_str()) };
    let pool = pool::connect(&options).await.unwrap();
    assert_eq!(text(&pool, "SELECT current_user::text").await, "tallyline_worker");
    assert_eq!(text(&pool, "SHOW timezone").await, "UTC");
    assert_eq!(text(&pool, "SHOW statement_timeout").await, "1500ms");
    assert_eq!(text(&pool, "SHOW lock_timeout").await, "20s");
    assert_eq!(text(&pool, "SHOW idle_in_transaction_session_timeout").await, "1min");
    sqlx::raw_sql("RESET ALL; RESET ROLE").execute(&pool).await.unwrap();
    assert_eq!(text(&pool, "SELECT current_user::text").await, "tallyline_worker");
    let denied = sqlx::raw_sql("CREATE TABLE public.mine ()").execute(&pool).await.unwrap_err();
    assert_eq!(code(&denied).as_deref(), Some("42501"));
}

#[tokio::test]
async fn privileged_roles_are_refused() {
    let db = TestDb::new().await;
    pool::refuse_privileged(&db.pool).await.unwrap();
    let error = pool::refuse_privileged(&db.admin).await.unwrap_err();
    assert!(matches!(error, PoolError::Privileged { why: "is a superuser", .. }), "{error}");
    let owner = PgPoolOptions::new()
        .max_connections(1)
        .after_connect(|connection, _| {
            Box::pin(async { sqlx::raw_sql("SET ROLE tallyline_owner").execute(connection).await.map(drop) })
        })
        .connect(&db.url)
        .await
        .unwrap();
    let error = pool::refuse_privileged(&owner).await.unwrap_err();
    assert!(matches!(error, PoolError::Privileged { why: "owns the tables", .. }), "{error}");
}

#[tokio::test]
async fn role_and_tenant_end_with_the_transaction() {
    let db = TestDb::new().await;
    let pool = pool::connect(&PoolOptions { max_connections: 1, ..PoolOptions::new(db.url.as_str()) }).await.unwrap();
    let tenant = Uuid::new_v4();
    let sql = "SELECT current_user || ' ' || COALESCE(nullif(current_setting('tally.user_id', true), ''), 'nobody')";
    let mut tx = pool::tenant_tx(&pool, tenant).await.unwrap();
    let inside: String = sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap();
    let denied = sqlx::raw_sql("SELECT FROM tally.inbox").execute(&mut *tx).await.unwrap_err();
    drop(tx);
    assert_eq!(inside, format!("tallyline_api {tenant}"));
    assert_eq!(code(&denied).as_deref(), Some("42501"));
    assert_eq!(text(&pool, sql).await, "tallyline_worker nobody");
}

/// An account that nobody granted anything.
#[tokio::test]
async fn an_account_without_the_roles_is_told_what_to_run() {
    let db = TestDb::unmigrated().await;
    sqlx::raw_sql(
        "DROP ROLE IF EXISTS tallyline_test_stranger; CREATE ROLE tallyline_test_stranger LOGIN PASSWORD 'strange'",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    let (_, host) = db.url.split_once('@').unwrap();
    let url = format!("postgres://tallyline_test_stranger:strange@{host}");
    let migrating = migrate::migrate(&url).await.unwrap_err();
    let connecting = pool::connect(&PoolOptions::new(url.as_str())).await.unwrap_err();
    sqlx::raw_sql("DROP ROLE tallyline_test_stranger").execute(&db.admin).await.unwrap();
    assert!(matches!(migrating, MigrateError::RolesMissing { .. }), "{migrating}");
    assert!(migrating.to_string().contains("bootstrap_roles.sql"), "{migrating}");
    assert!(matches!(connecting, PoolError::RoleMissing { .. }), "{connecting}");
}
