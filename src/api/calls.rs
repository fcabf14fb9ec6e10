//! Calls of a tenant: a list with filters, and one with the events that made it.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Item, Tenant};
use super::page::{Answer, Cursor, Found, Page, lines, range};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const GROUP: &str = "Calls";
/// Days of one list at most.
const MOST_DAYS: i64 = 366;
/// Events and dials that are shown of a call.
const MOST_PARTS: i64 = 200;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/api/v1/tenants/{id}/calls",
            list,
            about(GROUP, "Calls, the newest first").asked::<CallsAsked>().answers::<Page<CallLine>>(),
        )
        .get(
            "/api/v1/tenants/{id}/calls/{item}",
            show,
            about(GROUP, "A call, the events it was made of and its dials").answers::<Call>(),
        )
}

/// Which calls: of local dates, the last included; by default the last thirty.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct CallsAsked {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    agent: Option<Uuid>,
    contact: Option<Uuid>,
    /// answered, voicemail, no_answer, busy, failed, cancelled or in_progress
    outcome: Option<String>,
    /// inbound or outbound
    direction: Option<String>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A call in a list.
#[derive(Debug, Serialize, ToSchema)]
struct CallLine {
    id: Uuid,
    agent_id: Uuid,
    contact_id: Option<Uuid>,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    outcome: String,
    direction: Option<String>,
    source: String,
    phone_number: Option<String>,
    /// Of conversation.
    duration_seconds: i32,
    /// Begun minutes.
    duration_minutes: i32,
    credits_micros: i64,
    cost_micros: i64,
    hangup_by: Option<String>,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
struct Call {
    #[serde(flatten)]
    call: CallLine,
    lifecycle: String,
    /// Dials begun, less one.
    attempt: i32,
    hangup_reason: Option<String>,
    ringing_started_at: Option<DateTime<Utc>>,
    call_answered_at: Option<DateTime<Utc>>,
    call_disconnected_at: Option<DateTime<Utc>>,
    /// Whether its credits will not change any more.
    billing_settled: Option<bool>,
    summary: Option<String>,
    recording_url: Option<String>,
    caller_name: Option<String>,
    caller_email: Option<String>,
    bolna_execution_id: Option<String>,
    flags: Vec<String>,
    transcript: Option<String>,
    quality: Option<String>,
    total_score: Option<i32>,
    lead_status_tag: Option<String>,
    /// In the order in which they were received, up to 200.
    events: Vec<CallEvent>,
    dials: Vec<Dial>,
}

/// An event that the call is made of.
#[derive(Debug, Serialize, ToSchema)]
struct CallEvent {
    provider: String,
    inbox_id: i64,
    received_at: DateTime<Utc>,
}

/// One dial.
#[derive(Debug, Serialize, ToSchema)]
struct Dial {
    attempt: i32,
    lifecycle: String,
    outcome: String,
    call_sid: Option<String>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    duration_seconds: i32,
}

async fn list(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    Asked(asked): Asked<CallsAsked>,
) -> Answer<Page<CallLine>> {
    let lines = lines(asked.limit)?;
    let days = range(&gate, &tenant, (asked.from, asked.to), MOST_DAYS).await?;
    let cursor = Cursor { list: "calls", tenant: tenant.id };
    let before = cursor.read::<(DateTime<Utc>, Uuid)>(asked.cursor.as_deref())?;
    let (before, before_id) = before.unwrap_or((days.to, Uuid::max()));
    let mut tx = tenant.read(&gate).await?;
    let rows = sqlx::query_file_as!(
        CallLine,
        "sql/api/calls.sql",
        tenant.id,
        days.from,
        days.to,
        before,
        before_id,
        asked.agent,
        asked.contact,
        asked.outcome,
        asked.direction,
        lines + 1,
    )
    .fetch_all(&mut *tx)
    .await?;
    let line = |call: CallLine| CallLine { phone_number: tenant.number(call.phone_number), ..call };
    Ok(Found(cursor.page(rows, lines, |call| (call.started_at, call.id), line)))
}

async fn show(State(gate): State<Arc<Gate>>, tenant: Tenant, Item(id): Item<Uuid>) -> Answer<Call> {
    let mut tx = tenant.read(&gate).await?;
    let row = sqlx::query_file!("sql/api/call.sql", tenant.id, id).fetch_optional(&mut *tx).await?;
    let row = row.ok_or(Fault::NotFound("no such call"))?;
    drop(tx);
    let events = sqlx::query_file_as!(CallEvent, "sql/api/call_events.sql", tenant.id, id, MOST_PARTS)
        .fetch_all(&gate.pool)
        .await?;
    let dials = sqlx::query_file_as!(Dial, "sql/api/call_attempts.sql", tenant.id, id, MOST_PARTS)
        .fetch_all(&gate.pool)
        .await?;
    let call = CallLine {
        id: row.id,
        agent_id: row.agent_id,
        contact_id: row.contact_id,
        started_at: row.started_at,
        completed_at: row.completed_at,
        outcome: row.outcome,
        direction: row.direction,
        source: row.source,
        phone_number: tenant.number(row.phone_number),
        duration_seconds: row.duration_seconds,
        duration_minutes: row.duration_minutes,
        credits_micros: row.credits_micros,
        cost_micros: row.cost_micros,
        hangup_by: row.hangup_by,
    };
    Ok(Found(Call {
        call,
        lifecycle: row.lifecycle,
        attempt: row.attempt,
        hangup_reason: row.hangup_reason,
        ringing_started_at: row.ringing_started_at,
        call_answered_at: row.call_answered_at,
        call_disconnected_at: row.call_disconnected_at,
        billing_settled: row.billing_settled,
        summary: row.summary,
        recording_url: row.recording_url,
        caller_name: row.caller_name,
        caller_email: row.caller_email,
        bolna_execution_id: row.bolna_execution_id,
        flags: row.flags,
        transcript: row.transcript,
        quality: row.quality,
        total_score: row.total_score,
        lead_status_tag: row.lead_status_tag,
        events,
        dials,
    }))
}
