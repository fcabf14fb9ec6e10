//! Pages of lists, days of ranges, and answers that may be asked for again.

use std::fmt::Display;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::extract::Tenant;
use super::problem::Fault;
use crate::accounts::guard::Gate;

/// Lines of a page, unless told.
const DEFAULT_LINES: i64 = 50;
/// Lines of a page at most.
const MOST_LINES: i64 = 200;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// `cursor` of the next page; null: this is the last.
    pub(super) next: Option<String>,
}

/// The lines that were asked for.
pub(super) fn lines(limit: Option<i64>) -> Result<i64, Fault> {
    let limit = limit.unwrap_or(DEFAULT_LINES);
    if (1..=MOST_LINES).contains(&limit) { Ok(limit) } else { Err(Fault::bad("limit is 1 to 200")) }
}

/// Where a page ends: which list, whose, and the key of its last line.
pub(super) struct Cursor {
    pub(super) list: &'static str,
    pub(super) tenant: Uuid,
}

impl Cursor {
    /// Written so that nobody takes it apart; it is checked all the same.
    pub(super) fn write<K: Serialize>(&self, key: &K) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(self.list, self.tenant, key)).unwrap_or_default())
    }

    /// The key after which a page begins.
    ///
    /// # Errors
    /// When it is no cursor, or one of another list or another tenant.
    pub(super) fn read<K: DeserializeOwned>(&self, text: Option<&str>) -> Result<Option<K>, Fault> {
        let Some(text) = text else { return Ok(None) };
        let bytes = (text.len() < 2_000).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        let parts = bytes.and_then(|bytes| serde_json::from_slice::<(String, Uuid, K)>(&bytes).ok());
        match parts {
            Some((list, tenant, key)) if list == self.list && tenant == self.tenant => Ok(Some(key)),
            _ => Err(Fault::bad("cursor is not one of this list")),
        }
    }

    /// A page of the rows that were read: one more than it has lines, if there are more.
    pub(super) fn page<R, T, K: Serialize>(
        &self,
        mut rows: Vec<R>,
        lines: i64,
        key: impl Fn(&R) -> K,
        line: impl Fn(R) -> T,
    ) -> Page<T> {
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        let more = rows.len() > lines;
        rows.truncate(lines);
        let next = rows.last().filter(|_| more).map(|last| self.write(&key(last)));
        Page { items: rows.into_iter().map(line).collect(), next }
    }
}

/// An answer.
pub(super) type Answer<T> = Result<Found<T>, Fault>;

/// What was asked for, 200.
pub(super) struct Found<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        (StatusCode::OK, [(CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}

/// What was made, 201.
pub(super) struct Made<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}

/// Done, and nothing to say: 204.
pub(super) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(CACHE_CONTROL, "no-store")]).into_response()
    }
}

/// What an answer is known by: weak, since the same figures come with another time at
/// which they were read.
pub(super) struct Tag(String);

impl Tag {
    /// Of what was asked for and of whom, and of what the answer depends on. Another
    /// version of the program may answer otherwise.
    pub(super) fn new(tenant: Uuid, parts: &[&dyn Display]) -> Tag {
        let mut hash = Sha256::new();
        hash.update(tenant.as_bytes());
        for part in parts.iter().map(ToString::to_string).chain([env!("CARGO_PKG_VERSION").to_owned()]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Tag(format!("W/\"{}\"", hex::encode(&hash.finalize()[..16])))
    }

    /// Whether the client holds what is known by this.
    pub(super) fn is_held(&self, headers: &HeaderMap) -> bool {
        let held = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        held.flat_map(|value| value.split(',')).any(|held| held.trim() == self.0 || held.trim() == "*")
    }

    fn headers(self) -> [(axum::http::HeaderName, String); 2] {
        [(CACHE_CONTROL, "private, no-cache".to_owned()), (ETAG, self.0)]
    }

    /// 304.
    pub(super) fn held(self) -> Response {
        (StatusCode::NOT_MODIFIED, self.headers()).into_response()
    }

    /// The answer, 200.
    pub(super) fn of<T: Serialize>(self, body: T) -> Response {
        (StatusCode::OK, self.headers(), Json(body)).into_response()
    }
}

/// Local days, the last included, as instants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
}

/// The days that were asked for; by default the last thirty with today.
///
/// # Errors
/// When there are none, or more than `most`.
pub(super) async fn range(
    gate: &Gate,
    tenant: &Tenant,
    (from, to): (Option<NaiveDate>, Option<NaiveDate>),
    most: i64,
) -> Result<Range, Fault> {
    let today = sqlx::query_scalar!(r#"SELECT (now() AT TIME ZONE $1)::date AS "today!""#, tenant.zone)
        .fetch_one(&gate.pool)
        .await?;
    let last = to.unwrap_or(today);
    let first = from.or_else(|| last.checked_sub_signed(TimeDelta::days(29))).unwrap_or(last);
    if first > last || last - first >= TimeDelta::days(most) {
        return Err(Fault::Bad(format!("from and to are dates, in order, and at most {most} days")));
    }
    let found = sqlx::query_file!("sql/exact/range.sql", tenant.id, first, last).fetch_optional(&gate.pool).await?;
    // Outside the calendar there is nothing.
    let (from, to) = found.map(|row| (row.from_time, row.to_time)).unwrap_or_default();
    let from = from.unwrap_or_default();
    Ok(Range { first, last, from, to: to.unwrap_or(from) })
}

/// How far figures lag behind what was received.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Freshness {
    /// The clock when this was read, before the figures were.
    pub(super) as_of: DateTime<Utc>,
    /// What was received before is in the figures, unless it is in quarantine.
    pub(super) complete_until: DateTime<Utc>,
    /// Events that no call shows yet, counted up to 100001.
    pub(super) waiting_events: i64,
    /// Changes that no roll-up shows yet, counted up to 100001.
    pub(super) waiting_changes: i64,
    /// Events in quarantine, counted up to 100001.
    pub(super) quarantined_events: i64,
}

/// Rows are counted up to here.
const MOST_COUNTED: i64 = 100_001;

/// Reads it; to be called before figures are read.
pub(super) async fn freshness(pool: &PgPool, tenant: Uuid) -> Result<Freshness, sqlx::Error> {
    let row = sqlx::query_file!("sql/dashboard/freshness.sql", tenant, MOST_COUNTED).fetch_one(pool).await?;
    let complete_until = [row.oldest_event_at, row.oldest_mark_at].into_iter().flatten().fold(row.now, Ord::min);
    Ok(Freshness {
        as_of: row.now,
        complete_until,
        waiting_events: row.waiting_events,
        waiting_changes: row.marks,
        quarantined_events: row.quarantined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_list_and_tenant_only() {
        let (tenant, key) = (Uuid::new_v4(), (7_i64, Uuid::new_v4()));
        let calls = Cursor { list: "calls", tenant };
        let text = calls.write(&key);
        assert_eq!(calls.read::<(i64, Uuid)>(Some(&text)).unwrap(), Some(key));
        assert!(calls.read::<(i64, Uuid)>(None).unwrap().is_none());
        assert!(Cursor { list: "leads", tenant }.read::<(i64, Uuid)>(Some(&text)).is_err());
        assert!(Cursor { list: "calls", tenant: Uuid::new_v4() }.read::<(i64, Uuid)>(Some(&text)).is_err());
        for wrong in ["", "x", "e30", &"A".repeat(5_000)] {
            assert!(calls.read::<(i64, Uuid)>(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
