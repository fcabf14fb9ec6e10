//! What an operator sees and does.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// An analysis of a call.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub call_id: Uuid,
    pub execution_id: Option<String>,
    pub started_at: DateTime<Utc>,
    pub state: String,
    pub provider: String,
    pub attempts: i32,
    pub wait_reason: Option<String>,
    pub not_before: Option<DateTime<Utc>>,
    pub error_code: Option<String>,
    /// Nothing of the call.
    pub error_detail: Option<String>,
    pub model: Option<String>,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cost_micros: i64,
    pub requested_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Analyses of a tenant, the newest first; of one state, or of one call.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(
    conn: &mut PgConnection,
    user_id: Uuid,
    state: Option<&str>,
    call_id: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_file_as!(Listed, "../sql/analyses/list.sql", user_id, state, limit, call_id).fetch_all(conn).await
}

/// Asks again: for one call whose analysis ended in whatever way, or for all that
/// failed, those of contacts too. Returns how many calls.
///
/// # Errors
/// When the database cannot do it.
pub async fn retry(conn: &mut PgConnection, user_id: Uuid, call_id: Option<Uuid>) -> Result<i64, sqlx::Error> {
    if call_id.is_none() {
        sqlx::query_file!("../sql/analyses/retry_contacts.sql", user_id).execute(&mut *conn).await?;
    }
    sqlx::query_file_scalar!("../sql/analyses/retry.sql", user_id, call_id).fetch_one(conn).await
}
