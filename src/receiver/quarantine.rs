//! Keeps what authentic senders sent and no call can be made of.

use sqlx::PgPool;
use tallyline_model::Provider;
use uuid::Uuid;

use super::connection::Borrowed;
use super::endpoints::Endpoint;
use super::group_commit::NewEvent;
use super::metrics::EVENTS_QUARANTINED;

/// Bytes that are kept of a refused body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Reason for what the database refuses.
pub const NOT_STORABLE: &str = "not_storable";

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
    let from = (endpoint.user_id, endpoint.provider, &*endpoint.name);
    keep(pool, from, reason, detail, body).await
}

/// The same for an event of the spool that the database refuses.
///
/// # Errors
/// When the database cannot be written.
pub async fn keep_spooled(pool: &PgPool, event: &NewEvent) -> Result<(), sqlx::Error> {
    let from = (event.user_id, event.provider, &*event.endpoint);
    keep(pool, from, NOT_STORABLE, "", &event.body).await
}

async fn keep(
    pool: &PgPool,
    (user_id, provider, endpoint): (Uuid, Provider, &str),
    reason: &'static str,
    detail: &str,
    body: &[u8],
) -> Result<(), sqlx::Error> {
    let body = &body[..body.len().min(MAX_BODY_BYTES)];
    let mut borrowed = Borrowed::from(pool).await?;
    sqlx::query_file!(
        "sql/receiver/quarantine_at_door.sql",
        user_id,
        provider.as_str(),
        endpoint,
        reason,
        detail,
        body,
        MAX_REFUSED_PER_TENANT,
    )
    .execute(borrowed.get())
    .await?;
    borrowed.done();
    metrics::counter!(EVENTS_QUARANTINED, "reason" => reason).increment(1);
    Ok(())
}
