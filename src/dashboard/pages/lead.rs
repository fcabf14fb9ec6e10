//! One contact: scores with their reasons, every call, follow-ups, and whether it is
//! a customer.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::call::score_table;
use super::filter::Asked;
use super::{Cursor, Open, PAGE_ROWS, Refused, answered, cut, facts, id_of, or_none, outcome, page_limit, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;
use crate::dashboard::{format, view};

#[derive(Debug)]
struct Lead {
    id: Uuid,
    name: String,
    phone_number: String,
    phone_e164: Option<String>,
    email: Option<String>,
    company: Option<String>,
    notes: Option<String>,
    created_at: DateTime<Utc>,
    last_contact_at: Option<DateTime<Utc>>,
    not_connected: i32,
    busy: i32,
    no_answer: i32,
    failed: i32,
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
    analysis_timestamp: Option<DateTime<Utc>>,
    calls_analyzed: Option<i32>,
    reference: Option<String>,
    customer_status: Option<String>,
    conversion_date: Option<DateTime<Utc>>,
}

/// `GET /tenants/{id}/leads/{contact_id}`.
pub async fn page(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Path((id, contact_id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    answered(&principal, shown(&gate, principal.clone(), &id, &contact_id, &asked).await)
}

async fn shown(
    gate: &Gate,
    principal: Principal,
    id: &str,
    contact_id: &str,
    asked: &Asked,
) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, asked).await?;
    let after = Cursor::of(asked)?;
    let mut tx = open.tx().await?;
    let lead = sqlx::query_file_as!(Lead, "sql/dashboard/lead.sql", open.tenant, id_of(contact_id)?)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Refused::Unknown)?;
    let calls = calls(&open, &mut tx, lead.id, after).await?;
    let follow_ups = follow_ups(&open, &mut tx, lead.phone_e164.as_deref()).await?;
    tx.commit().await?;
    let content = html! {
        (about(&open, &lead))
        section .card { h2 { "Scores" } (scores(&open, &lead)) }
        section .card { h2 { "Calls" } (calls) }
        section .card { h2 { "Follow-ups" } (follow_ups) }
    };
    Ok(open.page("/leads", &lead.name, &content))
}

fn about(open: &Open, lead: &Lead) -> Markup {
    let text = |text: Option<&str>| html! { (or_none(text)) };
    let customer = html! {
        @match (&lead.reference, &lead.customer_status) {
            (Some(reference), Some(status)) => { (reference) ", " (status) ", since " (open.optional_time(lead.conversion_date)) }
            _ => "not a customer",
        }
    };
    let unanswered = html! { (lead.busy) " busy, " (lead.no_answer) " no answer, " (lead.failed) " failed; " (lead.not_connected) " by the carrier's word" };
    html! {
        section .card {
            h2 { "The contact" }
            (facts(&[
                ("Number", html! { (open.number(Some(&lead.phone_number))) }),
                ("E-mail", text(lead.email.as_deref().filter(|_| open.is_own()))),
                ("Company", text(lead.company.as_deref())),
                ("Customer", customer),
                ("Known since", html! { (open.time(lead.created_at)) }),
                ("Last contact", html! { (open.optional_time(lead.last_contact_at)) }),
                ("Dials in vain", unanswered),
                ("Notes", text(lead.notes.as_deref())),
            ]))
        }
    }
}

fn scores(open: &Open, lead: &Lead) -> Markup {
    let scores = [
        ("Total", lead.total_score, lead.score_scale),
        ("Intent", lead.intent_score, lead.dimension_scale),
        ("Urgency", lead.urgency_score, lead.dimension_scale),
        ("Budget", lead.budget_score, lead.dimension_scale),
        ("Fit", lead.fit_score, lead.dimension_scale),
        ("Engagement", lead.engagement_score, lead.dimension_scale),
    ];
    html! {
        (score_table(&scores, lead.reasoning.as_ref(), "No analysis over the calls of this contact yet."))
        @if let Some(count) = lead.calls_analyzed {
            p .hint { "Over " (count) " calls before the latest and that one, at " (open.optional_time(lead.analysis_timestamp)) ". Quality: " (or_none(lead.quality.as_deref()))
                ". Tag: " (or_none(lead.lead_status_tag.as_deref())) "." }
        }
    }
}

async fn calls(
    open: &Open,
    conn: &mut PgConnection,
    contact: Uuid,
    after: Option<Cursor>,
) -> Result<Markup, sqlx::Error> {
    let found = sqlx::query_file!(
        "sql/dashboard/lead_calls.sql",
        open.tenant,
        contact,
        after.map(|cursor| cursor.at),
        after.map(|cursor| cursor.id),
        page_limit(PAGE_ROWS)
    )
    .fetch_all(conn)
    .await?;
    let (found, more) = cut(found, PAGE_ROWS);
    let next = found.last().filter(|_| more).map(|row| Cursor { at: row.started_at, id: row.id }.text());
    let rows: Vec<Markup> = found
        .iter()
        .map(|call| {
            html! { tr {
                th scope="row" { a href=(open.path(&format!("/calls/{}", call.id))) { (open.time(call.started_at)) } }
                td { span .name { (or_none(call.agent_name.as_deref())) } }
                td { (or_none(call.lead_type.as_deref())) }
                td { (outcome(&call.outcome)) }
                td .n { (format::duration(i64::from(call.duration_seconds))) }
                td .n { (super::score(call.total_score, None)) @if let Some(quality) = &call.quality { " " (quality) } }
                td .long { (or_none(call.summary.as_deref())) }
            } }
        })
        .collect();
    let heads = [
        ("When", ""),
        ("Agent", ""),
        ("Direction", ""),
        ("Outcome", ""),
        ("Talk time", "n"),
        ("Score", "n"),
        ("Summary", ""),
    ];
    let path = open.path(&format!("/leads/{contact}"));
    Ok(html! {
        (table("Calls", &heads, &rows, "No call with this contact is in the lists."))
        nav .pager aria-label="Pages of the list" {
            @if after.is_some() { a href=(path) { "Newest calls" } }
            @if let Some(next) = next { a rel="next" href=(format!("{path}?after={next}")) { "Earlier calls" } }
        }
    })
}

async fn follow_ups(open: &Open, conn: &mut PgConnection, number: Option<&str>) -> Result<Markup, sqlx::Error> {
    let found = sqlx::query_file!("sql/dashboard/lead_follow_ups.sql", open.tenant, number).fetch_all(conn).await?;
    let rows: Vec<Markup> = found
        .iter()
        .map(|row| {
            html! { tr {
                th scope="row" { (view::long_date(row.follow_up_date)) } td { (row.status) } td { (row.source) } td .long { (or_none(row.remark.as_deref())) }
            } }
        })
        .collect();
    let heads = [("Day", ""), ("Status", ""), ("From", ""), ("Remark", "")];
    Ok(table("Follow-ups", &heads, &rows, "No follow-up with this number."))
}
