//! Tenants with one row in each of their tables, and a look at what the database said.

use sqlx::postgres::PgPool;
use sqlx::{FromRow, Row};
use tallyline_testkit::TestDb;
use uuid::Uuid;

/// A tenant and the rows that others point at.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Tenant {
    pub user_id: Uuid,
    pub agent_id: Uuid,
    /// A call with a transcript, a lead, a charge and a follow-up.
    pub call_id: Uuid,
    /// A contact and a call with nothing on them.
    pub spare_contact_id: Uuid,
    pub spare_call_id: Uuid,
    /// A notification, and the endpoint that it is to be delivered to.
    pub notification_id: Uuid,
    pub endpoint_id: Uuid,
}

/// A new tenant with at least one row in every table that has a `user_id`.
pub async fn tenant(db: &TestDb, name: &str) -> Tenant {
    sqlx::query_as(include_str!("insert_tenant.sql")).bind(name).fetch_one(&db.admin).await.unwrap()
}

/// One row in each table that belongs to no tenant.
pub async fn platform(db: &TestDb) {
    sqlx::raw_sql(include_str!("insert_platform.sql")).execute(&db.admin).await.unwrap();
}

/// The first column of a query without parameters, as texts.
pub async fn texts(pool: &PgPool, sql: &'static str) -> Vec<String> {
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// SQLSTATE and constraint of an error, like `23514 calls_cost_check`; the state alone where no constraint is named.
pub fn refusal(error: &sqlx::Error) -> String {
    let error = error.as_database_error().expect("an answer of the database");
    let code = error.code().unwrap_or_default();
    error.constraint().map_or_else(|| code.to_string(), |constraint| format!("{code} {constraint}"))
}

/// What a statement came to: how many rows, or why not.
pub fn came_to(result: Result<sqlx::postgres::PgQueryResult, sqlx::Error>) -> String {
    result.map_or_else(|error| refusal(&error), |done| format!("{} rows", done.rows_affected()))
}
