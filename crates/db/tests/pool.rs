//! Pools from outside: bounded, limited in time, and alive after a cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sqlx::PgPool;
use tallyline_db::pool::{self, PoolOptions};
use tallyline_testkit::{TestDb, wait_until};

/// SQLSTATE of a refusal.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

async fn answers(pool: &PgPool) -> bool {
    sqlx::query_scalar("SELECT true").fetch_one(pool).await.unwrap_or(false)
}

/// A second pool, clients that were never given back and statements without an end used up the server's connections.
///
/// Breaks tried: `max_connections` doubled in `connect`; without the option `statement_timeout`.
#[tokio::test]
async fn defect_48_a_pool_is_bounded_in_number_and_time_and_outlives_its_connections() {
    let db = TestDb::new().await;
    let pool = pool::connect(&PoolOptions {
        max_connections: 2,
        acquire_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(200),
        application_name: "pool-of-a-test".to_owned(),
        ..PoolOptions::new(db.url.as_str())
    })
    .await
    .unwrap();

    let (first, second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)), "a third waits, and not for ever");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pool-of-a-test'";
    assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(&db.admin).await.unwrap(), 2);
    drop((first, second));

    let endless = sqlx::query("SELECT pg_sleep(60)").execute(&pool).await.unwrap_err();
    assert_eq!(code(&endless).as_deref(), Some("57014"), "{endless}");
    assert!(answers(&pool).await);

    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pool-of-a-test'";
    assert!(sqlx::query_scalar::<_, i64>(cut).fetch_one(&db.admin).await.unwrap() > 0);
    wait_until("the pool has new connections", Duration::from_secs(30), || answers(&pool)).await;
}
