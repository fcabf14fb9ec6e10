//! What the database fills in by itself: references of customers, times of change.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "names of tables come from the catalogue")]

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgExecutor};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use super::fixture;

/// Makes a customer of a new contact and returns its reference without the year, like `CUST-0001`.
async fn convert<'e>(executor: impl PgExecutor<'e>, user_id: Uuid, when: &str) -> String {
    let sql = "WITH k AS (INSERT INTO public.contacts (user_id, name, phone_number) VALUES ($1, 'New', gen_random_uuid()) RETURNING id)
               INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name, conversion_date)
               SELECT $1, id, '', 'New', $2::timestamptz FROM k RETURNING customer_reference_number";
    sqlx::query_scalar(sql).bind(user_id).bind(when).fetch_one(executor).await.unwrap()
}

/// Breaks seen: the counter kept for all tenants together; the year that of the clock.
#[tokio::test]
async fn references_count_per_tenant_and_year() {
    let db = TestDb::new().await;
    let (a, b) = (fixture::tenant(&db, "a").await.user_id, fixture::tenant(&db, "b").await.user_id);
    let mut given = Vec::new();
    for (tenant, when) in [
        (a, "2024-06-01"),
        (a, "2024-12-31 23:59Z"),
        (a, "2025-01-01 00:00Z"),
        (b, "2024-06-01"),
        (a, "2024-06-01"),
        (b, "2025-06-01"),
    ] {
        given.push(convert(&db.pool, tenant, when).await);
    }
    let expected = ["2024-0001", "2024-0002", "2025-0001", "2024-0001", "2024-0003", "2025-0001"];
    assert_eq!(given, expected.map(|reference| format!("CUST-{reference}")));
}

/// Break seen: the number cut to four digits by lpad.
#[tokio::test]
async fn references_grow_and_are_not_replaced() {
    let db = TestDb::new().await;
    let user_id = fixture::tenant(&db, "a").await.user_id;
    convert(&db.pool, user_id, "2024-06-01").await;
    let sql = "UPDATE tally.customer_counters SET last_number = 9999 WHERE year = 2024";
    sqlx::query(sql).execute(&db.pool).await.unwrap();
    assert_eq!(convert(&db.pool, user_id, "2024-06-01").await, "CUST-2024-10000");
    let sql = "UPDATE public.customers SET customer_reference_number = 'OLD-7'
               WHERE customer_reference_number = 'CUST-2024-10000' RETURNING customer_reference_number";
    assert_eq!(fixture::texts(&db.pool, sql).await, ["OLD-7"]);
}

async fn wait_for_blocked(db: &TestDb) {
    let blocked = || async {
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
    };
    wait_until("the second conversion is blocked", Duration::from_secs(30), blocked).await;
}

/// Break seen: the number counted from the customers; the second fails on the unique reference.
#[tokio::test]
async fn two_conversions_at_once_get_two_numbers() {
    let db = TestDb::new().await;
    let user_id = fixture::tenant(&db, "a").await.user_id;
    let mut first = db.pool.begin().await.unwrap();
    let one = convert(&mut *first, user_id, "2024-06-01").await;
    let pool = db.pool.clone();
    let second = tokio::spawn(async move { convert(&pool, user_id, "2024-06-01").await });
    wait_for_blocked(&db).await;
    first.commit().await.unwrap();
    assert_eq!((one.as_str(), second.await.unwrap().as_str()), ("CUST-2024-0001", "CUST-2024-0002"));
}

/// A conversion that is taken back gives its number back too.
#[tokio::test]
async fn references_have_no_gaps() {
    let db = TestDb::new().await;
    let user_id = fixture::tenant(&db, "a").await.user_id;
    let mut first = db.pool.begin().await.unwrap();
    let one = convert(&mut *first, user_id, "2024-06-01").await;
    first.rollback().await.unwrap();
    assert_eq!(convert(&db.pool, user_id, "2024-06-01").await, one);
}

/// Their rows are replaced whole by the roll-up, which writes the time itself.
const WITHOUT_TOUCH: [&str; 2] = ["agent_analytics", "user_analytics"];

/// Break seen: the trigger contacts_touch dropped.
#[tokio::test]
async fn defect_39_every_change_moves_updated_at() {
    let db = TestDb::new().await;
    fixture::tenant(&db, "a").await;
    fixture::platform(&db).await;
    let sql = "SELECT c.table_name::text FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
               WHERE c.table_schema = 'public' AND c.column_name = 'updated_at' AND t.table_type = 'BASE TABLE' ORDER BY 1";
    let tables = fixture::texts(&db.admin, sql).await;
    assert!(tables.len() > WITHOUT_TOUCH.len());
    let mut without = Vec::new();
    for table in tables {
        let mut tx = db.admin.begin().await.unwrap();
        // What the statement writes is overruled by the time of its transaction.
        let update = format!("UPDATE public.{table} SET updated_at = '2000-01-01' RETURNING updated_at = now()");
        let moved: Vec<bool> = sqlx::query_scalar(AssertSqlSafe(update)).fetch_all(&mut *tx).await.unwrap();
        assert!(!moved.is_empty(), "{table} is empty");
        if moved.contains(&false) {
            without.push(table);
        }
    }
    assert_eq!(without, WITHOUT_TOUCH);
}
