//! Another try for what is in quarantine, after whatever was wrong has been mended.
//!
//! An event of the inbox is pending again: it is applied like any other, once,
//! or comes back with the reason that holds now. A body that was refused at the
//! door is looked at again by the door's own rules, and goes to the inbox if it
//! is usable now.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Acquire, PgConnection};
use tallyline_model::Provider;
use uuid::Uuid;

use crate::receiver::{self, MAX_JSON_DEPTH, MAX_REFUSED_BODY_BYTES, NewEvent};

/// Where an entry of the quarantine is.
pub type Place = (Uuid, i64);

/// What became of an entry that was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// Its event is to be applied.
    Pending,
    /// It was refused at the door and is in the inbox by now, sent again or replayed before.
    Known,
    /// The raw body is past its retention: there is nothing to apply.
    BodyGone,
    /// Only the beginning of the refused body was kept.
    BodyCut,
    /// The door still refuses it.
    StillRefused,
    /// There is no such entry, or somebody else took it.
    NotThere,
}

impl Became {
    /// Whether the entry has left the quarantine.
    pub fn is_out(self) -> bool {
        matches!(self, Self::Pending | Self::Known)
    }
}

/// What became of one entry.
#[derive(Debug, Clone, Serialize)]
pub struct Fate {
    /// Of the entry.
    pub id: i64,
    pub became: Became,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Uuid>,
    /// Why it was in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The highest id of an entry, 0 when there is none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn top(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) AS "top!" FROM tally.quarantine"#).fetch_one(conn).await
}

/// Where the entries with these ids are; those that are not there are left out.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find(conn: &mut PgConnection, ids: &[i64]) -> Result<Vec<Place>, sqlx::Error> {
    let rows = sqlx::query!("SELECT user_id, id FROM tally.quarantine WHERE id = ANY ($1)", ids);
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.user_id, row.id)).collect())
}

/// The next entries of a walk over ids: above `after`, up to `up_to`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn next(
    conn: &mut PgConnection,
    (after, up_to): (i64, i64),
    limit: i64,
    (tenant, reason, provider): (Option<Uuid>, Option<&str>, Option<&str>),
) -> Result<Vec<Place>, sqlx::Error> {
    let rows = sqlx::query_file!("sql/inbox/next_quarantined.sql", after, up_to, limit, tenant, reason, provider)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.id)).collect())
}

/// Tries the given entries again, in the caller's transaction; what became of
/// those that are there, by tenant and id.
///
/// # Errors
/// When the database refuses or is away; nothing was done then.
pub async fn replay(tx: &mut PgConnection, places: &[Place]) -> Result<Vec<Fate>, sqlx::Error> {
    let (user_ids, ids): (Vec<Uuid>, Vec<i64>) = places.iter().copied().unzip();
    let rows = sqlx::query_file!("sql/inbox/lock_quarantined.sql", &user_ids, &ids).fetch_all(&mut *tx).await?;
    let (mut fates, mut released) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let became = match (row.inbox_id, row.refused_body) {
            (Some(_), _) if row.has_body => {
                released.push((row.user_id, row.id));
                Became::Pending
            }
            (Some(_), _) | (None, None) => Became::BodyGone,
            (None, Some(body)) if body.len() >= MAX_REFUSED_BODY_BYTES => Became::BodyCut,
            (None, Some(body)) => match row.provider.parse::<Provider>() {
                Ok(provider) if is_usable(provider, row.account_known, &body) => {
                    let event = NewEvent {
                        user_id: row.user_id,
                        provider,
                        endpoint: Arc::from(row.endpoint),
                        body_sha256: Sha256::digest(&body).into(),
                        headers: "{}".to_owned(),
                        received_at: Some(row.received_at),
                        body: Bytes::from(body),
                    };
                    take_in(tx, row.id, &event).await?
                }
                _ => Became::StillRefused,
            },
        };
        fates.push(Fate { id: row.id, became, tenant: Some(row.user_id), reason: Some(row.reason) });
    }
    let (user_ids, ids): (Vec<Uuid>, Vec<i64>) = released.into_iter().unzip();
    sqlx::query_file!("sql/inbox/release.sql", &user_ids, &ids).execute(tx).await?;
    Ok(fates)
}

/// Puts a body that the door refused into the inbox. In a savepoint: the
/// database may refuse it still.
async fn take_in(tx: &mut PgConnection, id: i64, event: &NewEvent) -> Result<Became, sqlx::Error> {
    let mut savepoint = tx.begin().await?;
    let stored = match receiver::store(&mut savepoint, &[event]).await {
        Ok(stored) => stored,
        Err(error) if receiver::is_about_data(&error) => {
            savepoint.rollback().await?;
            return Ok(Became::StillRefused);
        }
        Err(error) => return Err(error),
    };
    sqlx::query_file!("sql/inbox/delete_quarantined.sql", event.user_id, id).execute(&mut *savepoint).await?;
    savepoint.commit().await?;
    Ok(if stored == [true] { Became::Pending } else { Became::Known })
}

/// By the rules of the door as they are now; the address that was signed is not kept.
fn is_usable(provider: Provider, account_known: bool, body: &[u8]) -> bool {
    receiver::usable(provider, account_known, "", body, MAX_JSON_DEPTH).is_ok()
}
