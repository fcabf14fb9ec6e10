//! Calls of one tenant and time range out of Postgres, by one COPY.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::calls::{CLICKS, CallRow, Calls, CallsBuilder, LEAD_TYPES, Lead, OUTCOMES, QUALITIES, SCORES, SOURCES};
use crate::error::HistoryError;
use crate::wire::{Fields, RowCutter, WireError};

/// Reads tenant, `from` and `to` from settings, since COPY takes no parameters.
const SCAN_CALLS: &str = include_str!("../../../sql/verify/scan_calls.sql");
/// Columns of that statement.
const COLUMNS: usize = 26;

/// Reads the calls of a tenant with `from` ≤ `started_at` < `to`.
///
/// Must run inside a transaction: the settings that carry the range are local
/// to it. For a snapshot that other statements share, begin it REPEATABLE READ.
///
/// After an error, or when the future is dropped, the server's answers and the
/// connection are out of step, and a pool would hand it on like that: give it
/// one that closes then (`PoolConnection::close_on_drop`).
///
/// # Errors
/// On database errors (among them: no transaction) and on a damaged stream.
pub async fn scan(
    tx: &mut PgConnection,
    user_id: Uuid,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Calls, HistoryError> {
    scan_into(CallsBuilder::default(), tx, user_id, from, to).await
}

/// Like [`scan`], with the calls' [`crate::Identities`].
///
/// # Errors
/// As [`scan`].
pub async fn scan_with_identities(
    tx: &mut PgConnection,
    user_id: Uuid,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Calls, HistoryError> {
    scan_into(CallsBuilder::with_identities(), tx, user_id, from, to).await
}

pub(crate) async fn scan_into(
    mut builder: CallsBuilder,
    tx: &mut PgConnection,
    user_id: Uuid,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Calls, HistoryError> {
    sqlx::query_file!("../../sql/verify/scan_settings.sql", user_id, from, to).fetch_one(&mut *tx).await?;
    let mut cutter = RowCutter::<COLUMNS>::default();
    let mut stream = tx.copy_out_raw(SCAN_CALLS).await?;
    while let Some(chunk) = stream.try_next().await? {
        cutter.feed(&chunk, |fields| builder.push(&decode(fields)?))?;
    }
    cutter.finish()?;
    builder.finish()
}

/// One row, in the order of `scan_calls.sql`.
fn decode(fields: [Option<&[u8]>; COLUMNS]) -> Result<CallRow, WireError> {
    let mut fields = Fields::new(fields);
    Ok(CallRow {
        call_id: fields.uuid("call_id")?,
        agent_id: fields.uuid("agent_id")?,
        started_at_micros: fields.micros("started_at")?,
        outcome: fields.code("outcome", &OUTCOMES)?,
        duration_seconds: fields.int4("duration_seconds")?,
        duration_minutes: fields.int4("duration_minutes")?,
        credits_micros: fields.int8("credits_micros")?,
        cost_micros: fields.int8("cost_micros")?,
        lead_type: fields.code_or_null("lead_type", &LEAD_TYPES)?,
        call_source: fields.code("call_source", &SOURCES)?,
        contact_id: fields.uuid_or_null("contact_id")?,
        lead: fields.uuid_or_null("lead_id")?.map(|lead_id| decode_lead(lead_id, &mut fields)).transpose()?,
    })
}

fn decode_lead(lead_id: Uuid, fields: &mut Fields<COLUMNS>) -> Result<Lead, WireError> {
    let quality = fields.code_or_null("quality", &QUALITIES)?;
    let company_name = fields.text_or_null("company_name")?;
    let dimension_scale = fields.int4("dimension_scale")?;
    let mut scores = [None; SCORES.len()];
    for (score, name) in scores.iter_mut().zip(SCORES) {
        *score = fields.int4_or_null(name)?;
    }
    let mut clicks = [false; CLICKS.len()];
    for (click, name) in clicks.iter_mut().zip(CLICKS) {
        *click = fields.boolean(name)?;
    }
    Ok(Lead { lead_id, quality, company_name, dimension_scale, scores, clicks })
}

#[cfg(test)]
mod tests;
