//! Which delivery is made next.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::{CLAIM_MARGIN, DeliverError, Options};

/// A delivery that is this unit's until its claim lapses.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) user_id: Uuid,
    pub(super) notification_id: Uuid,
    pub(super) endpoint_id: Uuid,
    /// Number of the claim: who holds an older one settles nothing.
    pub(super) claim: i64,
    /// Attempts begun, this one included.
    pub(super) attempts: i32,
    /// The database's time of the claim.
    pub(super) at: DateTime<Utc>,
    pub(super) kind: String,
    pub(super) payload: Value,
    pub(super) created_at: DateTime<Utc>,
    pub(super) url: String,
    pub(super) sealed_key: Vec<u8>,
    pub(super) previous_sealed_key: Option<Vec<u8>>,
    /// Whether the endpoint's last attempt failed.
    pub(super) is_failing: bool,
}

/// Claims the delivery whose turn it is, and commits the claim. `failing` says
/// whether it may be one of an endpoint that fails.
pub(super) async fn claim(pool: &PgPool, options: &Options, failing: bool) -> Result<Option<Claimed>, DeliverError> {
    let mut tx = pool.begin().await?;
    let picked = sqlx::query_file!("../sql/notify/pick_endpoint.sql", options.per_endpoint, failing);
    let Some(endpoint) = picked.fetch_optional(&mut *tx).await? else { return Ok(None) };
    let turn =
        sqlx::query_scalar!(r#"SELECT nextval('tally.notification_turn_seq') AS "turn!""#).fetch_one(&mut *tx).await?;
    // A statement of its own: it sees what those claimed who held the lock before.
    let allowed = if endpoint.is_failing { 1 } else { options.per_endpoint };
    let seconds = (options.request_timeout + CLAIM_MARGIN).as_secs_f64();
    let row = sqlx::query_file!("../sql/notify/claim.sql", endpoint.user_id, endpoint.id, allowed, seconds, turn)
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(row.map(|row| Claimed {
        user_id: row.user_id,
        notification_id: row.notification_id,
        endpoint_id: row.endpoint_id,
        claim: row.claim,
        attempts: row.attempts,
        at: row.at,
        kind: row.kind,
        payload: row.payload,
        created_at: row.created_at,
        url: row.url,
        sealed_key: row.sealed_key,
        previous_sealed_key: row.previous_sealed_key,
        is_failing: endpoint.is_failing,
    }))
}
