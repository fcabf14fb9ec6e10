//! Keeps what authentic senders sent and no call can be made of.

use sqlx::PgPool;

use super::endpoints::Endpoint;
use super::metrics::EVENTS_QUARANTINED;

/// Bytes that are kept of a refused body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Refused bodies that are kept of a tenant; the oldest go first.
pub const MAX_REFUSED_PER_TENANT: i64 = 1_000;

/// Keeps (the beginning of) a body that was refused at the door.
///
/// # Errors
/// When the database cannot be written.
pub async fn keep_refused(
    pool: &PgPool,
    endpoint: &Endpoint,
    reason: &'static str,
    detail: &str,
    body: &[u8],
) -> Result<(), sqlx::Error> {
    let body = &body[..body.len().min(MAX_BODY_BYTES)];
    sqlx::query_file!(
        "sql/receiver/quarantine_at_door.sql",
        endpoint.user_id,
        endpoint.provider.as_str(),
        &endpoint.name,
        reason,
        detail,
        body,
        MAX_REFUSED_PER_TENANT,
    )
    .execute(pool)
    .await?;
    metrics::counter!(EVENTS_QUARANTINED, "reason" => reason).increment(1);
    Ok(())
}
