//! Notifications to tenants: where they go, what has become of them.
//!
//! Who has something to tell writes a row of `tally.notifications` in the
//! transaction of its cause; [`crate::deliver_notifications`] does the rest. This
//! is what operators change by hand.

mod address;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng;
use sqlx::PgConnection;
use tallyline_secrets::signature::standard;
use tallyline_secrets::{SealingError, SealingKey};
use uuid::Uuid;

pub use address::{BadAddress, checked_url};

/// Every kind of notification.
pub const KINDS: &[&str] = &["credits.low", "follow_up.due"];

/// States of a notification at an endpoint, as [`list`] names them.
pub const STATES: &[&str] = &["waiting", "unwanted", "pending", "delivered", "failed", "cancelled"];

/// Reason of an endpoint that said it is gone.
pub const GONE: &str = "answered 410 Gone";

const KEY_BYTES: usize = 32;
const LONGEST_OVERLAP: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error("no such tenant")]
    UnknownTenant,
    #[error("the tenant has no such endpoint")]
    UnknownEndpoint,
    #[error("there is no kind of notification {0:?}; kinds are {list}", list = KINDS.join(", "))]
    UnknownKind(String),
    #[error("{0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Address(#[from] BadAddress),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error("the database could not do it: {0}")]
    Database(#[from] sqlx::Error),
}

impl NotifyError {
    /// Whether what was asked for names something that is not there, or is out of range.
    pub fn is_wrong_usage(&self) -> bool {
        !matches!(self, NotifyError::Sealing(_) | NotifyError::Database(_))
    }
}

/// An endpoint with its secret, which is told once and can not be read again.
#[derive(Clone)]
pub struct Created {
    pub id: Uuid,
    /// `whsec_` and the key in base64.
    pub secret: String,
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An endpoint without its key.
#[derive(Debug, Clone)]
pub struct EndpointRow {
    pub id: Uuid,
    pub url: String,
    /// `None`: every kind.
    pub kinds: Option<Vec<String>>,
    pub created_at: DateTime<Utc>,
    /// Until when the key before the last rotation signs too.
    pub previous_expires_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<String>,
    /// Attempts that failed since the last one that did not.
    pub failures: i32,
    /// Deliveries that are still to come.
    pub pending: i64,
    /// Deliveries that were given up.
    pub failed: i64,
}

/// A notification at an endpoint; without one while it waits for one.
#[derive(Debug, Clone)]
pub struct NotificationRow {
    pub id: Uuid,
    pub kind: String,
    pub created_at: DateTime<Utc>,
    pub endpoint_id: Option<Uuid>,
    /// One of [`STATES`].
    pub state: String,
    pub attempts: Option<i32>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub last_status: Option<i16>,
    pub last_error: Option<String>,
}

/// What a sealed key belongs to.
pub(crate) fn seal_context(endpoint: Uuid) -> String {
    format!("notification-endpoint:{endpoint}")
}

/// Adds an endpoint for `kinds` (`None`: all). What waits for one goes to it.
///
/// # Errors
/// When the tenant is not there, the address is not one that is posted to, or a
/// kind is unknown.
pub async fn add_endpoint(
    conn: &mut PgConnection,
    key: &SealingKey,
    user_id: Uuid,
    url: &str,
    kinds: Option<&[String]>,
) -> Result<Created, NotifyError> {
    let url = checked_url(url)?;
    let kinds = kinds.filter(|kinds| !kinds.is_empty());
    if let Some(unknown) = kinds.into_iter().flatten().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(NotifyError::UnknownKind(unknown.clone()));
    }
    let id = Uuid::new_v4();
    let (sealed, secret) = new_key(key, id)?;
    sqlx::query_file!("../sql/notify/insert_endpoint.sql", user_id, id, url.as_str(), kinds, sealed)
        .execute(conn)
        .await
        .map_err(|error| match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("23503") => NotifyError::UnknownTenant,
            Some("23514") => NotifyError::Invalid("the address must have at most 2,000 characters"),
            _ => NotifyError::Database(error),
        })?;
    Ok(Created { id, secret })
}

/// Gives an endpoint a new key. For `overlap` messages are signed with both.
///
/// # Errors
/// When the tenant has no such endpoint, or the overlap is longer than a year.
pub async fn rotate_endpoint(
    conn: &mut PgConnection,
    key: &SealingKey,
    user_id: Uuid,
    endpoint: Uuid,
    overlap: Duration,
) -> Result<Created, NotifyError> {
    if overlap > LONGEST_OVERLAP {
        return Err(NotifyError::Invalid("the overlap must be at most a year"));
    }
    let (sealed, secret) = new_key(key, endpoint)?;
    let rotated = sqlx::query_file!("../sql/notify/rotate_key.sql", user_id, endpoint, sealed, overlap.as_secs_f64())
        .execute(conn);
    known(rotated.await?.rows_affected())?;
    Ok(Created { id: endpoint, secret })
}

/// Sends nothing to an endpoint any more; what it was still to get is cancelled.
/// False when it is disabled already.
///
/// # Errors
/// When the tenant has no such endpoint.
pub async fn disable_endpoint(
    conn: &mut PgConnection,
    user_id: Uuid,
    endpoint: Uuid,
    reason: &str,
) -> Result<bool, NotifyError> {
    lock_endpoint(conn, user_id, endpoint).await?;
    let disabled =
        sqlx::query_file!("../sql/notify/disable_endpoint.sql", user_id, endpoint, reason).execute(&mut *conn).await?;
    sqlx::query_file!("../sql/notify/cancel_pending.sql", user_id, endpoint).execute(conn).await?;
    Ok(disabled.rows_affected() > 0)
}

/// Sends to an endpoint again, first of all what was cancelled when it was disabled.
/// False when it is enabled already.
///
/// # Errors
/// When the tenant has no such endpoint.
pub async fn enable_endpoint(conn: &mut PgConnection, user_id: Uuid, endpoint: Uuid) -> Result<bool, NotifyError> {
    lock_endpoint(conn, user_id, endpoint).await?;
    let enabled = sqlx::query!(
        "UPDATE tally.notification_endpoints SET disabled_at = NULL, disabled_reason = NULL, failures = 0
         WHERE user_id = $1 AND id = $2 AND disabled_at IS NOT NULL",
        user_id,
        endpoint
    );
    let enabled = enabled.execute(&mut *conn).await?;
    sqlx::query_file!("../sql/notify/resume_cancelled.sql", user_id, endpoint).execute(conn).await?;
    Ok(enabled.rows_affected() > 0)
}

/// The endpoints of a tenant.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list_endpoints(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<EndpointRow>, NotifyError> {
    Ok(sqlx::query_file_as!(EndpointRow, "../sql/notify/list_endpoints.sql", user_id).fetch_all(conn).await?)
}

/// A tenant's newest notifications, at most `limit` rows, of one of [`STATES`] or all.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(
    conn: &mut PgConnection,
    user_id: Uuid,
    state: Option<&str>,
    limit: i64,
) -> Result<Vec<NotificationRow>, NotifyError> {
    Ok(sqlx::query_file_as!(NotificationRow, "../sql/notify/list.sql", user_id, state, limit).fetch_all(conn).await?)
}

/// Sends again, as if for the first time but under the same id: one notification to
/// every endpoint that had got it, or all that failed or was cancelled; to one
/// endpoint or all that are enabled. Returns how many deliveries that makes.
///
/// # Errors
/// When the database refuses.
pub async fn replay(
    conn: &mut PgConnection,
    user_id: Uuid,
    notification: Option<Uuid>,
    endpoint: Option<Uuid>,
) -> Result<u64, NotifyError> {
    let replayed =
        sqlx::query_file!("../sql/notify/replay.sql", user_id, notification, endpoint).execute(&mut *conn).await?;
    let mut deliveries = replayed.rows_affected();
    if let Some(notification) = notification {
        let again = sqlx::query_file!("../sql/notify/hand_out_again.sql", user_id, notification).execute(conn).await?;
        deliveries += again.rows_affected();
    }
    Ok(deliveries)
}

/// Locks an endpoint, before its deliveries: everybody does it in this order.
pub(crate) async fn lock_endpoint(conn: &mut PgConnection, user_id: Uuid, endpoint: Uuid) -> Result<(), NotifyError> {
    let locked = sqlx::query!(
        "SELECT 1 AS locked FROM tally.notification_endpoints WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE",
        user_id,
        endpoint
    );
    locked.fetch_optional(conn).await?.map(drop).ok_or(NotifyError::UnknownEndpoint)
}

fn known(rows: u64) -> Result<(), NotifyError> {
    if rows == 0 { Err(NotifyError::UnknownEndpoint) } else { Ok(()) }
}

/// A random key: sealed for the endpoint, and as it is told.
fn new_key(key: &SealingKey, endpoint: Uuid) -> Result<(Vec<u8>, String), SealingError> {
    let mut bytes = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    Ok((key.seal(&seal_context(endpoint), &bytes)?, standard::secret_of_key(&bytes)))
}
