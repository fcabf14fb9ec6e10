//! One call: everything that was received of it and everything that came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;
use tallyline_model::event::{Event, Provider};
use uuid::Uuid;

use super::filter::Asked;
use super::{Open, Refused, answered, facts, id_of, or_none, outcome, score, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;
use crate::dashboard::format;

#[derive(Debug)]
struct Call {
    id: Uuid,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    ringing_started_at: Option<DateTime<Utc>>,
    call_answered_at: Option<DateTime<Utc>>,
    call_disconnected_at: Option<DateTime<Utc>>,
    outcome: String,
    lifecycle: String,
    lead_type: Option<String>,
    call_source: String,
    phone_number: Option<String>,
    caller_name: Option<String>,
    caller_email: Option<String>,
    attempt: i32,
    duration_seconds: i32,
    duration_minutes: i32,
    credits_micros: i64,
    cost_micros: i64,
    billing_settled: Option<bool>,
    hangup_by: Option<String>,
    hangup_reason: Option<String>,
    summary: Option<String>,
    flags: Vec<String>,
    execution_id: Option<String>,
    recording_url: Option<String>,
    agent_id: Uuid,
    agent_name: Option<String>,
    contact_id: Option<Uuid>,
    contact_name: Option<String>,
    transcript: Option<String>,
    analysis_status: Option<String>,
    total_score: Option<i32>,
    score_scale: Option<i16>,
    dimension_scale: Option<i16>,
    quality: Option<String>,
    lead_status_tag: Option<String>,
    intent_score: Option<i32>,
    urgency_score: Option<i32>,
    budget_score: Option<i32>,
    fit_score: Option<i32>,
    engagement_score: Option<i32>,
    reasoning: Option<Value>,
}

/// An event as it was received, and how it stands to those before it.
struct Received {
    event: Event,
    received_at: DateTime<Utc>,
    /// Says what an event before it had said: same sender, dial and status.
    is_repeat: bool,
    /// Its sender's time lies before that of an event that was received before it.
    is_late: bool,
}

/// `GET /tenants/{id}/calls/{call_id}`.
pub async fn page(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Path((id, call_id)): Path<(String, String)>,
) -> Response {
    answered(&principal, shown(&gate, principal.clone(), &id, &call_id).await)
}

async fn shown(gate: &Gate, principal: Principal, id: &str, call_id: &str) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, &Asked::default()).await?;
    let mut tx = open.tx().await?;
    let call = sqlx::query_file_as!(Call, "sql/dashboard/call.sql", open.tenant, id_of(call_id)?)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Refused::Unknown)?;
    let charges = charges(&open, &mut tx, call.id).await?;
    tx.commit().await?;
    let events = events(&open, call.id).await?;
    let content = html! {
        (summary(&open, &call))
        (cost(&open, &call, &events))
        section .card { h2 { "Charges" } (charges) }
        section .card { h2 { "Events received" } (event_list(&open, &events)) }
        section .card { h2 { "Dials and legs" } (attempts(&open, call.id).await?) }
        section .card { h2 { "Analysis" } (analysis(&open, &call).await?) }
        section .card { h2 { "Transcript" }
            @if let Some(transcript) = &call.transcript { pre .transcript { (transcript) } }
            @else { p .empty-state { "No transcript was received." } }
        }
        section .card { h2 { "In quarantine" } (quarantined(&open, &call).await?) }
    };
    Ok(open.page("/calls", &format!("Call of {}", open.time(call.started_at)), &content))
}

fn summary(open: &Open, call: &Call) -> Markup {
    let agent = html! {
        @if let Some(name) = &call.agent_name { a href=(open.path(&format!("/agents/{}", call.agent_id))) { (name) } }
        @else { i { "deleted agent" } }
    };
    let contact = html! {
        @if let Some(id) = call.contact_id { a href=(open.path(&format!("/leads/{id}"))) { (or_none(call.contact_name.as_deref())) } }
        @else { (format::NONE) }
    };
    let hangup =
        [call.hangup_by.as_deref(), call.hangup_reason.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let text = |text: Option<&str>| html! { (or_none(text)) };
    let time = |instant| html! { (open.optional_time(instant)) };
    html! {
        section .card {
            h2 { "The call" }
            (facts(&[
                ("Outcome", html! { (outcome(&call.outcome)) " (" (call.lifecycle) ")" }),
                ("Agent", agent),
                ("Contact", contact),
                ("Number", html! { (open.number(call.phone_number.as_deref())) }),
                ("Caller", html! { (or_none(call.caller_name.as_deref())) @if open.is_own() { @if let Some(email) = &call.caller_email { " (" (email) ")" } } }),
                ("Direction", text(call.lead_type.as_deref())),
                ("Source", text(Some(&call.call_source))),
                ("Begun", time(Some(call.started_at))),
                ("Ringing", time(call.ringing_started_at)),
                ("Answered", time(call.call_answered_at)),
                ("Disconnected", time(call.call_disconnected_at)),
                ("Ended", time(call.completed_at)),
                ("Talk time", html! { (format::duration(i64::from(call.duration_seconds))) " (" (call.duration_minutes) " min charged for)" }),
                ("Last dial", html! { (call.attempt) }),
                ("Hung up", text(Some(&hangup))),
                ("Execution", text(call.execution_id.as_deref())),
                ("Recording", text(call.recording_url.as_deref())),
                ("Flags", text(Some(&call.flags.join(", ")))),
            ]))
            @if let Some(summary) = &call.summary { p .sub-text { (summary) } }
        }
    }
}

/// The parts are of the last event that names them.
fn cost(open: &Open, call: &Call, events: &[Received]) -> Markup {
    let latest = events.iter().filter(|e| !e.event.facts.cost_legs.is_empty()).max_by_key(|e| e.event.order_time());
    let none = BTreeMap::new();
    let parts = latest.map_or(&none, |received| &received.event.facts.cost_legs);
    let settled = match call.billing_settled {
        Some(true) => "final",
        Some(false) => "not final yet",
        None => "not said whether final",
    };
    let rows: Vec<Markup> = parts
        .iter()
        .map(|(part, micros)| html! { tr { th scope="row" { (part) } td .n { (format::micros(*micros, 2)) } } })
        .collect();
    html! {
        section .card {
            h2 { "Cost" }
            p { strong { (format::micros(call.cost_micros, 2)) " " (open.period.currency) } " charged by the provider, " (settled) "; "
                strong { (format::micros(call.credits_micros, 0)) " credits" } " charged to the tenant." }
            (table("Parts of the cost", &[("Part", ""), (&open.period.currency, "n")], &rows, "The provider named no parts."))
        }
    }
}

async fn charges(open: &Open, conn: &mut sqlx::PgConnection, call: Uuid) -> Result<Markup, sqlx::Error> {
    let entries = sqlx::query_file!("sql/dashboard/call_charges.sql", open.tenant, call).fetch_all(conn).await?;
    let rows: Vec<Markup> = entries
        .iter()
        .map(|entry| {
            html! { tr {
                th scope="row" { (open.time(entry.created_at)) }
                td { (entry.kind) } td { (entry.description) }
                td .n { (format::micros(entry.amount_micros, 0)) } td .n { (format::micros(entry.balance_after_micros, 0)) }
            } }
        })
        .collect();
    let heads = [("When", ""), ("Kind", ""), ("What", ""), ("Credits", "n"), ("Balance after", "n")];
    Ok(table("Charges", &heads, &rows, "Nothing was charged."))
}

async fn events(open: &Open, call: Uuid) -> Result<Vec<Received>, Refused> {
    let rows = sqlx::query_file!("sql/dashboard/call_events.sql", open.tenant, call).fetch_all(&open.pool).await?;
    let mut received: Vec<Received> = Vec::with_capacity(rows.len());
    for row in rows {
        let Ok(event) = serde_json::from_value::<Event>(row.event) else {
            // Written by a later version; the others are still worth showing.
            tracing::warn!(tenant = %open.tenant, %call, "an event of a call cannot be read");
            continue;
        };
        let said = |before: &Received| {
            let other = &before.event;
            (other.provider, other.attempt, &other.status, &other.call_sid)
                == (event.provider, event.attempt, &event.status, &event.call_sid)
        };
        let is_repeat = received.iter().any(said);
        let is_late = received.iter().any(|before| before.event.order_time() > event.order_time());
        received.push(Received { is_repeat, is_late, received_at: row.received_at, event });
    }
    Ok(received)
}

fn event_list(open: &Open, events: &[Received]) -> Markup {
    let rows: Vec<Markup> = events
        .iter()
        .map(|received| {
            let event = &received.event;
            html! { tr {
                th scope="row" { (open.time(received.received_at)) }
                td { (event.provider.as_str()) }
                td { (event.status) }
                td .n { @if event.provider == Provider::Analysis { (format::NONE) } @else { (event.attempt) } }
                td { (open.optional_time(event.updated_at)) }
                td {
                    @if received.is_repeat { span .mark { "repeat" } " " }
                    @if received.is_late { span .mark { "late" } " " }
                    (event.flags.join(", "))
                }
            } }
        })
        .collect();
    let heads = [("Received", ""), ("From", ""), ("Status", ""), ("Dial", "n"), ("Sender's time", ""), ("Marks", "")];
    html! {
        (table("Events", &heads, &rows, "No event of this call is kept."))
        p .hint { "In the order of receipt. Repeat: the same sender, dial and status as an event before it. Late: its sender's time lies before that of an "
            "event received earlier. Bodies that are equal byte for byte are one event, however often they came." }
        @if open.is_own() && !events.is_empty() {
            details .data {
                summary { "What the events say" }
                @for received in events { pre { (serde_json::to_string_pretty(&received.event).unwrap_or_default()) } }
            }
        }
    }
}

async fn attempts(open: &Open, call: Uuid) -> Result<Markup, sqlx::Error> {
    let dials = sqlx::query_file!("sql/dashboard/call_attempts.sql", open.tenant, call).fetch_all(&open.pool).await?;
    let rows: Vec<Markup> = dials
        .iter()
        .map(|dial| {
            let seconds =
                dial.duration_seconds.map_or_else(|| format::NONE.to_owned(), |s| format::duration(i64::from(s)));
            html! { tr {
                th scope="row" { (dial.kind) @if let Some(attempt) = dial.attempt { " " (attempt) } }
                td { (outcome(&dial.outcome)) " (" (dial.lifecycle) ")" }
                td { (or_none(dial.call_sid.as_deref())) }
                td { (open.optional_time(dial.started_at)) } td { (open.optional_time(dial.ended_at)) }
                td .n { (seconds) }
            } }
        })
        .collect();
    let heads = [("Dial", ""), ("Outcome", ""), ("Carrier's id", ""), ("Begun", ""), ("Ended", ""), ("Talk time", "n")];
    Ok(table("Dials and legs", &heads, &rows, "No dial was reported."))
}

async fn analysis(open: &Open, call: &Call) -> Result<Markup, sqlx::Error> {
    let work =
        sqlx::query_file!("sql/dashboard/call_analyses.sql", open.tenant, call.id).fetch_optional(&open.pool).await?;
    let scores = [
        ("Total", call.total_score, call.score_scale),
        ("Intent", call.intent_score, call.dimension_scale),
        ("Urgency", call.urgency_score, call.dimension_scale),
        ("Budget", call.budget_score, call.dimension_scale),
        ("Fit", call.fit_score, call.dimension_scale),
        ("Engagement", call.engagement_score, call.dimension_scale),
    ];
    Ok(html! {
        p { "Transcript: " (or_none(call.analysis_status.as_deref())) ". Quality: " (or_none(call.quality.as_deref()))
            ". Tag: " (or_none(call.lead_status_tag.as_deref())) "." }
        (score_table(&scores, call.reasoning.as_ref(), "This call has no analysis."))
        @if let Some(work) = work {
            p .hint { "Asked for at " (open.time(work.requested_at)) ", " (work.state) " by " (work.provider)
                @if let Some(model) = &work.model { " (" (model) ")" }
                ", " (work.attempts) " attempts"
                @if let Some(wait) = &work.wait_reason { ", waiting: " (wait) }
                @if let Some(code) = &work.error_code { ", error: " (code) }
                ", cost " (format::micros(work.cost_micros, 2)) "." }
        }
    })
}

/// Scores with the reason of each, where one was given.
pub fn score_table(scores: &[(&str, Option<i32>, Option<i16>)], reasoning: Option<&Value>, empty: &str) -> Markup {
    let reason = |name: &str| {
        let object = reasoning?.as_object()?;
        let name = name.to_lowercase();
        let (_, value) = object.iter().find(|(key, _)| key.to_lowercase().contains(&name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let rows: Vec<Markup> = scores
        .iter()
        .filter(|(_, found, _)| found.is_some())
        .map(|(name, found, scale)| {
            html! { tr {
                th scope="row" { (name) } td .n { (score(*found, *scale)) } td .long { (or_none(reason(name).as_deref())) }
            } }
        })
        .collect();
    table("Scores", &[("Score", ""), ("Value", "n"), ("Reason", "")], &rows, empty)
}

async fn quarantined(open: &Open, call: &Call) -> Result<Markup, sqlx::Error> {
    let found = sqlx::query_file!("sql/dashboard/call_quarantined.sql", open.tenant, call.id, call.execution_id)
        .fetch_all(&open.pool)
        .await?;
    let rows: Vec<Markup> = found
        .iter()
        .map(|row| {
            html! { tr {
                th scope="row" { (open.time(row.received_at)) } td { (row.provider) } td { (row.reason) } td .long { (row.detail) }
            } }
        })
        .collect();
    let heads = [("Received", ""), ("From", ""), ("Reason", ""), ("Detail", "")];
    Ok(html! {
        (table("Quarantined events", &heads, &rows, "No event of this call is in quarantine."))
        p .hint { "Among the newest 500 quarantined events of the tenant; they are in no figure." }
    })
}
