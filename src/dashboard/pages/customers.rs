//! Customers with what their calls came to.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use sqlx::PgConnection;
use uuid::Uuid;

use super::filter::Asked;
use super::{Open, PAGE_ROWS, Refused, answered, csv, cut, or_none, page_limit, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;
use crate::dashboard::format;

#[derive(Debug)]
struct Row {
    reference: String,
    name: String,
    company: Option<String>,
    contact_id: Uuid,
    status: String,
    conversion_date: DateTime<Utc>,
    calls: i64,
    answered: i64,
    talk_seconds: i64,
    leads: i64,
    credits_micros: i64,
    cost_micros: i64,
    last_call_at: Option<DateTime<Utc>>,
}

/// `GET /tenants/{id}/customers`.
pub async fn list(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    answered(&principal, listed(&gate, principal.clone(), &id, &asked).await)
}

async fn listed(gate: &Gate, principal: Principal, id: &str, asked: &Asked) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, asked).await?;
    if asked.wants_csv() {
        return Ok(file(open));
    }
    let after = asked.after.as_deref().filter(|text| !text.is_empty());
    let mut tx = open.tx().await?;
    let (rows, next) = read(&mut tx, open.tenant, after, PAGE_ROWS).await?;
    tx.commit().await?;
    let heads = [
        ("Reference", ""),
        ("Name", ""),
        ("Status", ""),
        ("Customer since", ""),
        ("Calls", "n"),
        ("Answered", "n"),
        ("Talk time", "n"),
        ("Leads", "n"),
        ("Credits", "n"),
        ("Cost", "n"),
        ("Last call", ""),
    ];
    let lines: Vec<Markup> = rows.iter().map(|row| line(&open, row)).collect();
    let content = html! {
        section .card {
            p .counted { "Figures over all calls of a customer, those in history files included; talk time includes voicemail." }
            (table("Customers", &heads, &lines, "Nobody has become a customer yet."))
            (open.pager(&open.path("/customers"), &[], next.as_deref(), after.is_none()))
        }
    };
    Ok(open.page("/customers", "Customers", &content))
}

async fn read(
    conn: &mut PgConnection,
    tenant: Uuid,
    after: Option<&str>,
    count: usize,
) -> Result<(Vec<Row>, Option<String>), sqlx::Error> {
    let rows = sqlx::query_file_as!(Row, "sql/dashboard/customers.sql", tenant, after, page_limit(count))
        .fetch_all(conn)
        .await?;
    let (rows, more) = cut(rows, count);
    let next = rows.last().filter(|_| more).map(|row| row.reference.clone());
    Ok((rows, next))
}

fn line(open: &Open, row: &Row) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(open.path(&format!("/leads/{}", row.contact_id))) { (row.reference) } }
            td { span .name { (row.name) @if row.company.is_some() { ", " (or_none(row.company.as_deref())) } } }
            td { (row.status) }
            td { (open.time(row.conversion_date)) }
            td .n { (format::integer(row.calls)) }
            td .n { (format::integer(row.answered)) }
            td .n { (format::talk_time(row.talk_seconds)) }
            td .n { (format::integer(row.leads)) }
            td .n { (format::micros(row.credits_micros, 0)) }
            td .n { (format::micros(row.cost_micros, 2)) " " (open.period.currency) }
            td { (open.optional_time(row.last_call_at)) }
        }
    }
}

fn file(open: Open) -> Response {
    let heads = [
        "reference",
        "contact_id",
        "name",
        "company",
        "status",
        "customer_since",
        "calls",
        "answered",
        "talk_seconds",
        "leads",
        "credits",
        "cost",
        "currency",
        "last_call_at",
    ];
    let open = Arc::new(open);
    csv::file("customers", &heads, move |after: Option<String>| {
        let open = Arc::clone(&open);
        async move {
            let mut tx = open.tx().await?;
            let count = usize::try_from(csv::BATCH).unwrap_or(PAGE_ROWS);
            let (rows, next) = read(&mut tx, open.tenant, after.as_deref(), count).await?;
            tx.commit().await?;
            let lines = rows.iter().map(|row| {
                vec![
                    row.reference.clone(),
                    row.contact_id.to_string(),
                    row.name.clone(),
                    row.company.clone().unwrap_or_default(),
                    row.status.clone(),
                    row.conversion_date.to_rfc3339(),
                    row.calls.to_string(),
                    row.answered.to_string(),
                    row.talk_seconds.to_string(),
                    row.leads.to_string(),
                    csv::micros(row.credits_micros),
                    csv::micros(row.cost_micros),
                    open.period.currency.clone(),
                    row.last_call_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                ]
            });
            Ok((lines.collect(), next))
        }
    })
}
