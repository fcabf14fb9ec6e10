//! What is in quarantine: events of the inbox that could not be applied, and
//! bodies that were refused at the door.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// Which entries, and how many.
#[derive(Debug, Clone)]
pub struct HeldFilter {
    pub tenant: Option<Uuid>,
    pub reason: Option<String>,
    pub provider: Option<String>,
    /// Put there not before this …
    pub from: DateTime<Utc>,
    /// … and before that.
    pub until: DateTime<Utc>,
    /// Only ids below this one.
    pub before: i64,
    pub limit: i64,
}

/// An entry of the quarantine.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// Of the entry.
    pub id: i64,
    /// Of the webhook; `None` when it was refused at the door.
    pub inbox_id: Option<i64>,
    pub tenant: Uuid,
    pub provider: String,
    pub endpoint: String,
    pub reason: String,
    pub detail: String,
    /// What would bring it out by itself: an agent, a CallSid, an execution.
    pub waits_for: Option<String>,
    pub received_at: DateTime<Utc>,
    pub held_since: DateTime<Utc>,
    /// Of the body, or of what is kept of it.
    pub bytes: Option<i32>,
    #[serde(skip)]
    pub body: Option<Vec<u8>>,
}

/// Entries of the quarantine, the newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn held(conn: &mut PgConnection, filter: &HeldFilter) -> Result<Vec<Held>, sqlx::Error> {
    fetch(conn, filter, None).await
}

/// One entry, its body only when asked for; `None` when there is none of that id.
///
/// # Errors
/// When the database cannot be asked.
pub async fn held_one(conn: &mut PgConnection, id: i64, with_body: bool) -> Result<Option<Held>, sqlx::Error> {
    let filter = HeldFilter {
        tenant: None,
        reason: None,
        provider: None,
        from: DateTime::<Utc>::MIN_UTC,
        until: DateTime::<Utc>::MAX_UTC,
        before: id.saturating_add(1),
        limit: 1,
    };
    let found = fetch(conn, &filter, with_body.then_some(id)).await?.pop();
    Ok(found.filter(|entry| entry.id == id))
}

async fn fetch(conn: &mut PgConnection, filter: &HeldFilter, body_of: Option<i64>) -> Result<Vec<Held>, sqlx::Error> {
    sqlx::query_file_as!(
        Held,
        "sql/inbox/quarantined.sql",
        filter.tenant,
        filter.reason.as_deref(),
        filter.provider.as_deref(),
        in_range(filter.from),
        in_range(filter.until),
        filter.before,
        filter.limit,
        body_of,
    )
    .fetch_all(conn)
    .await
}

/// How much there is for one reason.
#[derive(Debug, Clone, Serialize)]
pub struct ReasonSum {
    pub reason: String,
    pub events: i64,
    /// Of these, refused at the door.
    pub at_the_door: i64,
    pub tenants: i64,
    /// When the oldest was put there.
    pub oldest: DateTime<Utc>,
}

/// The entries by reason, most first; limit and place of the filter do not count.
///
/// # Errors
/// When the database cannot be asked.
pub async fn held_by_reason(conn: &mut PgConnection, filter: &HeldFilter) -> Result<Vec<ReasonSum>, sqlx::Error> {
    sqlx::query_file_as!(
        ReasonSum,
        "sql/inbox/quarantine_sums.sql",
        filter.tenant,
        filter.reason.as_deref(),
        filter.provider.as_deref(),
        in_range(filter.from),
        in_range(filter.until),
    )
    .fetch_all(conn)
    .await
}

/// Chrono's ends of time lie beyond the database's.
fn in_range(at: DateTime<Utc>) -> DateTime<Utc> {
    const LATEST: i64 = 253_402_300_799; // 9999-12-31
    let seconds = at.timestamp().clamp(0, LATEST);
    if seconds == at.timestamp() { at } else { DateTime::from_timestamp(seconds, 0).unwrap_or(at) }
}
