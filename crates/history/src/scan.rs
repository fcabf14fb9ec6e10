//! Calls of one tenant and time range out of Postgres, by one COPY.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::calls::{CallRow, Calls, CallsBuilder, FLAGS, LEAD_TYPES, OUTCOMES, QUALITIES, SCORES, SOURCES};
use crate::error::HistoryError;
use crate::wire::{Fields, RowCutter, WireError};

/// Reads tenant, `from` and `to` from settings, since COPY takes no parameters.
const SCAN_CALLS: &str = include_str!("../../../sql/verify/scan_calls.sql");
/// Columns of that statement.
const COLUMNS: usize = 28;

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
    sqlx::query_file!("../../sql/verify/scan_settings.sql", user_id, from, to).fetch_one(&mut *tx).await?;
    let mut builder = CallsBuilder::default();
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
    let agent_id = fields.uuid("agent_id")?;
    let started_at_micros = fields.micros("started_at")?;
    let outcome = fields.code("outcome", &OUTCOMES)?;
    let duration_seconds = fields.int4("duration_seconds")?;
    let duration_minutes = fields.int4("duration_minutes")?;
    let credits_micros = fields.int8("credits_micros")?;
    let cost_micros = fields.int8("cost_micros")?;
    let lead_type = fields.code_or_null("lead_type", &LEAD_TYPES)?;
    let call_source = fields.code("call_source", &SOURCES)?;
    let contact_id = fields.uuid_or_null("contact_id")?;
    let fingerprint = fields.uuid("fingerprint")?;
    let quality = fields.code_or_null("quality", &QUALITIES)?;
    let mut scores = [None; SCORES.len()];
    for (score, name) in scores.iter_mut().zip(SCORES) {
        *score = fields.int4_or_null(name)?;
    }
    let mut flags = [false; FLAGS.len()];
    for (flag, name) in flags.iter_mut().zip(FLAGS) {
        *flag = fields.is_true(name)?;
    }
    Ok(CallRow {
        agent_id,
        started_at_micros,
        outcome,
        duration_seconds,
        duration_minutes,
        credits_micros,
        cost_micros,
        lead_type,
        call_source,
        contact_id,
        quality,
        scores,
        flags,
        fingerprint,
    })
}

#[cfg(test)]
mod tests;
