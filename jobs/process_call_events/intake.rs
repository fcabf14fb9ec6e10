//! Raw events of a batch: fetched, parsed, and what becomes of those that
//! cannot be applied.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::{Event, Provider, Reject, parse_analysis, parse_bolna, parse_twilio};
use tallyline_queue::{Span, TraceContext};
use uuid::Uuid;

use super::claim::{PendingId, arrays};
use super::rows::QuarantineRow;

/// An event of the batch that was parsed.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) id: PendingId,
    pub(super) event: Event,
    pub(super) endpoint: String,
    /// Whether a Twilio event has waited long enough for its execution.
    pub(super) waited: bool,
}

/// The batch, sorted by what becomes of each event.
#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) parsed: Vec<Parsed>,
    pub(super) quarantined: Vec<QuarantineRow>,
    /// Twilio events and the CallSid that they wait for.
    pub(super) waiting: Vec<(PendingId, String)>,
    /// Of the bodies that were fetched.
    pub(super) bytes: i64,
}

impl Intake {
    pub(super) fn extend(&mut self, other: Intake) {
        let known: std::collections::HashSet<PendingId> = self.parsed.iter().map(|p| p.id).collect();
        self.parsed.extend(other.parsed.into_iter().filter(|p| !known.contains(&p.id)));
        self.quarantined.extend(other.quarantined);
    }

    pub(super) fn len(&self) -> usize {
        self.parsed.len() + self.quarantined.len() + self.waiting.len()
    }

    /// Events whose pending rows end with this batch.
    pub(super) fn ended(&self) -> Vec<PendingId> {
        let quarantined = self.quarantined.iter().map(QuarantineRow::id);
        self.parsed.iter().map(|p| p.id).chain(quarantined).collect()
    }

    pub(super) fn quarantine(&mut self, parsed: &Parsed, reason: &'static str, wait_key: Option<String>) {
        self.quarantined.push(QuarantineRow {
            user_id: parsed.id.user_id,
            provider: parsed.event.provider.as_str(),
            endpoint: parsed.endpoint.clone(),
            inbox_id: parsed.id.inbox_id,
            reason,
            detail: String::new(),
            wait_key,
            received_at: parsed.event.received_at,
        });
    }

    /// Counted after the commit: a batch that is rolled back counts nothing.
    pub(super) fn record_metrics(&self) {
        for provider in [Provider::Bolna, Provider::Twilio, Provider::Analysis] {
            let applied = self.parsed.iter().filter(|p| p.event.provider == provider).count();
            if applied > 0 {
                metrics::counter!("tallyline_events_applied_total", "provider" => provider.as_str())
                    .increment(applied as u64);
            }
        }
        for event in self.parsed.iter().map(|parsed| &parsed.event) {
            let late = event.updated_at.map(|at| (event.received_at - at).as_seconds_f64());
            if let Some(seconds) = late {
                metrics::histogram!("tallyline_event_lag_seconds", "provider" => event.provider.as_str())
                    .record(seconds.max(0.0));
            }
        }
        for row in &self.quarantined {
            metrics::counter!("tallyline_events_quarantined_total", "reason" => row.reason).increment(1);
        }
        metrics::histogram!("tallyline_process_batch_events").record(self.len() as f64);
    }
}

/// Fetches and parses the given events, if still pending: as many as have bodies of
/// `max_bytes` together, but one at least.
pub(super) async fn fetch(tx: &mut PgConnection, ids: &[PendingId], max_bytes: i64) -> Result<Intake, sqlx::Error> {
    let (user_ids, inbox_ids) = arrays(ids);
    let rows =
        sqlx::query_file!("../sql/process/fetch_events.sql", &user_ids, &inbox_ids, max_bytes).fetch_all(tx).await?;
    let mut intake = Intake::default();
    let span = Span::current();
    for row in rows {
        let id = PendingId { user_id: row.user_id, inbox_id: row.inbox_id };
        if let (Some(span), Some(cause)) = (&span, row.trace.as_deref().and_then(TraceContext::parse)) {
            span.link(cause);
        }
        let refused = |reason, detail: String| QuarantineRow {
            user_id: id.user_id,
            provider: provider_name(&row.provider),
            endpoint: row.endpoint.clone(),
            inbox_id: id.inbox_id,
            reason,
            detail,
            wait_key: None,
            received_at: row.received_at,
        };
        intake.bytes += row.body.as_ref().map_or(0, |body| i64::try_from(body.len()).unwrap_or(i64::MAX));
        let parsed = match &row.body {
            Some(body) => parse(&row.provider, body, row.received_at, &row.body_sha256),
            None => Err(("body_stripped", "the raw body is past its retention".to_owned())),
        };
        match parsed {
            Err((reason, detail)) => intake.quarantined.push(refused(reason, detail)),
            Ok(event) if foreign_account(&event, row.account_sid.as_deref()) => {
                intake.quarantined.push(refused("account_mismatch", String::new()));
            }
            Ok(event) => {
                intake.parsed.push(Parsed { id, event, endpoint: row.endpoint, waited: row.waited });
            }
        }
    }
    Ok(intake)
}

fn provider_name(stored: &str) -> &'static str {
    stored.parse::<Provider>().map_or("bolna", Provider::as_str)
}

fn parse(
    provider: &str,
    body: &[u8],
    received_at: DateTime<Utc>,
    body_sha256: &[u8],
) -> Result<Event, (&'static str, String)> {
    let refuse = |reject: Reject| (reject.reason(), reject.to_string());
    let Ok(sha) = <[u8; 32]>::try_from(body_sha256) else {
        return Err(("bad_hash", String::new()));
    };
    match provider.parse::<Provider>() {
        Ok(Provider::Bolna) => parse_bolna(body, received_at, sha).map_err(refuse),
        Ok(Provider::Twilio) => parse_twilio(body, received_at, sha).map_err(refuse),
        Ok(Provider::Analysis) => parse_analysis(body, received_at, sha).map_err(refuse),
        Err(_) => Err(("unknown_provider", String::new())),
    }
}

/// A Twilio event that another account than the endpoint's signed for.
fn foreign_account(event: &Event, expected: Option<&str>) -> bool {
    matches!((event.account_sid.as_deref(), expected), (Some(got), Some(expected)) if got != expected)
}

pub(super) async fn insert_quarantine(tx: &mut PgConnection, rows: &[QuarantineRow]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query_file!("../sql/process/insert_quarantine.sql", Json(rows) as _).execute(tx).await?;
    Ok(())
}

pub(super) async fn set_waiting(
    tx: &mut PgConnection,
    waiting: &[(PendingId, String)],
    seconds: f64,
) -> Result<(), sqlx::Error> {
    if waiting.is_empty() {
        return Ok(());
    }
    let user_ids: Vec<Uuid> = waiting.iter().map(|(id, _)| id.user_id).collect();
    let inbox_ids: Vec<i64> = waiting.iter().map(|(id, _)| id.inbox_id).collect();
    let sids: Vec<String> = waiting.iter().map(|(_, sid)| sid.clone()).collect();
    sqlx::query_file!("../sql/process/set_waiting.sql", &user_ids, &inbox_ids, &sids, seconds).execute(tx).await?;
    Ok(())
}

/// Puts one event into quarantine without looking at its body; returns 0 when
/// it is no longer pending.
pub(super) async fn quarantine_unparsed(
    tx: &mut PgConnection,
    id: PendingId,
    reason: &'static str,
    detail: &str,
) -> Result<usize, sqlx::Error> {
    let (user_ids, inbox_ids) = arrays(&[id]);
    let rows = sqlx::query_file!("../sql/process/fetch_events.sql", &user_ids, &inbox_ids, i64::MAX)
        .fetch_all(&mut *tx)
        .await?;
    let rows: Vec<QuarantineRow> = rows
        .into_iter()
        .map(|row| QuarantineRow {
            user_id: row.user_id,
            provider: provider_name(&row.provider),
            endpoint: row.endpoint,
            inbox_id: row.inbox_id,
            reason,
            detail: detail.to_owned(),
            wait_key: None,
            received_at: row.received_at,
        })
        .collect();
    insert_quarantine(tx, &rows).await?;
    Ok(rows.len())
}
