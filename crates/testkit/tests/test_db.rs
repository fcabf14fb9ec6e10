//! The test kit itself: databases are apart, disappear, and are like the
//! daemon's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tallyline_db::{migrate, pool};
use tallyline_testkit::{TestDb, wait_until};

async fn exists(any: &TestDb, name: &str) -> bool {
    let exists = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)");
    exists.bind(name).fetch_one(&any.admin).await.unwrap()
}

#[tokio::test]
async fn databases_are_apart_and_go_with_the_test() {
    let (first, second) = (TestDb::new().await, TestDb::new().await);
    assert_ne!(first.name, second.name);
    sqlx::raw_sql("CREATE TABLE only_here ()").execute(&first.admin).await.unwrap();
    let elsewhere: bool =
        sqlx::query_scalar("SELECT to_regclass('only_here') IS NOT NULL").fetch_one(&second.admin).await.unwrap();
    assert!(!elsewhere);
    let name = first.name.clone();
    assert!(exists(&second, &name).await);
    drop(first);
    assert!(!exists(&second, &name).await);
}

#[tokio::test]
async fn a_test_database_is_migrated_and_works_as_the_worker() {
    let db = TestDb::new().await;
    assert!(migrate::check(&db.url).await.unwrap().is_none());
    let role: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&db.pool).await.unwrap();
    assert_eq!(role, "tallyline_worker");
    pool::refuse_privileged(&db.pool).await.unwrap();
}

#[tokio::test]
async fn the_login_has_no_privileges_until_it_takes_a_role() {
    let db = TestDb::new().await;
    let mut login = PgConnection::connect(&db.url).await.unwrap();
    let denied = sqlx::raw_sql("SELECT FROM public.users").execute(&mut login).await.unwrap_err();
    assert_eq!(denied.as_database_error().unwrap().code().as_deref(), Some("42501"));
}

#[tokio::test]
#[should_panic(expected = "in vain until pigs fly")]
async fn waiting_has_an_end() {
    wait_until("pigs fly", Duration::from_millis(30), || async { false }).await;
}
