//! Legs of calls beside their own dials, and rows that a call has no longer.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::LegState;
use uuid::Uuid;

use super::calls::Folded;

#[derive(Debug, Serialize)]
struct LegRow<'a> {
    user_id: Uuid,
    call_id: Uuid,
    leg_key: &'a str,
    kind: &'static str,
    lifecycle: &'a str,
    outcome: &'static str,
    duration_seconds: Option<i64>,
    /// As text, so that no digit is lost on the way.
    cost_reported: Option<String>,
    to_number: Option<&'a str>,
    from_number: Option<&'a str>,
    recording_url: Option<&'a str>,
    hangup_by: Option<&'a str>,
    hangup_reason: Option<&'a str>,
    hangup_provider_code: Option<i64>,
    termination_reason: Option<&'a str>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

/// What a call has now; all else of its rows goes.
#[derive(Debug, Serialize)]
struct KeptRow<'a> {
    user_id: Uuid,
    call_id: Uuid,
    attempts: Vec<i32>,
    legs: Vec<&'a str>,
    call_sids: Vec<&'a str>,
}

impl<'a> LegRow<'a> {
    fn new(call: &'a Folded, leg: &'a LegState) -> Self {
        LegRow {
            user_id: call.user_id,
            call_id: call.id,
            leg_key: &leg.key,
            kind: leg.kind.as_str(),
            lifecycle: &leg.lifecycle,
            outcome: leg.outcome.as_str(),
            duration_seconds: leg.duration_seconds,
            cost_reported: leg.cost_reported.map(|cost| cost.to_string()),
            to_number: leg.to_number.as_deref(),
            from_number: leg.from_number.as_deref(),
            recording_url: leg.recording_url.as_deref(),
            hangup_by: leg.hangup_by.as_deref(),
            hangup_reason: leg.hangup_reason.as_deref(),
            hangup_provider_code: leg.hangup_provider_code,
            termination_reason: leg.termination_reason.as_deref(),
            started_at: leg.started_at,
            ended_at: leg.ended_at,
        }
    }
}

pub(super) async fn write(tx: &mut PgConnection, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let rows: Vec<LegRow<'_>> =
        folded.iter().flat_map(|call| call.state.legs.iter().map(move |leg| LegRow::new(call, leg))).collect();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/upsert_legs.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(())
}

/// Removes dials, legs and CallSids that calls had before and have no longer.
pub(super) async fn delete_vanished(tx: &mut PgConnection, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let rows: Vec<KeptRow<'_>> = folded
        .iter()
        .filter(|call| call.before.is_some())
        .map(|call| KeptRow {
            user_id: call.user_id,
            call_id: call.id,
            attempts: call.state.attempts.iter().map(|dial| dial.attempt).collect(),
            legs: call.state.legs.iter().map(|leg| leg.key.as_str()).collect(),
            call_sids: call.state.call_sids.iter().map(|(sid, _)| sid.as_str()).collect(),
        })
        .collect();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/delete_vanished.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(())
}
