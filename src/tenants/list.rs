//! Tenants to look at, to find, to switch off.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::TenantError;

/// A tenant in a list.
#[derive(Debug, Clone)]
pub struct TenantRow {
    pub user_id: Uuid,
    pub name: String,
    pub email: String,
    pub timezone: String,
    pub currency: String,
    pub score_scale: i16,
    pub dimension_scale: i16,
    pub billing_pulse_seconds: i32,
    pub credits_per_minute_micros: i64,
    /// Balance in millionths of a credit.
    pub credits_micros: i64,
    pub is_active: bool,
    pub agents: i64,
    pub created_at: DateTime<Utc>,
}

/// All tenants, by name.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list_tenants(conn: &mut PgConnection) -> Result<Vec<TenantRow>, TenantError> {
    Ok(sqlx::query_file_as!(TenantRow, "sql/tenants/list_tenants.sql").fetch_all(conn).await?)
}

/// The tenant with this e-mail address, whatever its case.
///
/// # Errors
/// When the database cannot be asked.
pub async fn tenant_by_email(conn: &mut PgConnection, email: &str) -> Result<Option<Uuid>, TenantError> {
    Ok(sqlx::query_scalar!("SELECT user_id FROM tally.user_emails WHERE email_lower = lower($1::text)", email)
        .fetch_optional(conn)
        .await?)
}

/// Marks a tenant as active or not. Webhooks are taken all the same: an event
/// that was refused could never be counted later.
///
/// # Errors
/// When there is no such tenant.
pub async fn set_active(conn: &mut PgConnection, user_id: Uuid, is_active: bool) -> Result<(), TenantError> {
    let done =
        sqlx::query!("UPDATE public.users SET is_active = $2 WHERE id = $1", user_id, is_active).execute(conn).await?;
    match done.rows_affected() {
        0 => Err(TenantError::UnknownTenant),
        _ => Ok(()),
    }
}
