//! Customers with what their calls came to.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use sqlx::PgConnection;
use uuid::Uuid;

use super::download::{self, Cell, Format, Head, Kind};
use super::filter::Asked;
use super::{Open, PAGE_ROWS, Refused, answered, cut, or_none, page_limit, table};
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
    if let Some(format) = asked.file()? {
        return Ok(file(format, open));
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

const COLUMNS: [Head; 14] = [
    ("reference", Kind::Text),
    ("contact_id", Kind::Text),
    ("name", Kind::Text),
    ("company", Kind::Text),
    ("status", Kind::Text),
    ("customer_since", Kind::Time),
    ("calls", Kind::Number),
    ("answered", Kind::Number),
    ("talk_seconds", Kind::Number),
    ("leads", Kind::Number),
    ("credits", Kind::Micros),
    ("cost", Kind::Micros),
    ("currency", Kind::Text),
    ("last_call_at", Kind::Time),
];

fn file(format: Format, open: Open) -> Response {
    let open = Arc::new(open);
    download::file(format, "customers", &COLUMNS, move |after: Option<String>| {
        let open = Arc::clone(&open);
        async move {
            let mut tx = open.tx().await?;
            let (rows, next) = read(&mut tx, open.tenant, after.as_deref(), download::BATCH).await?;
            tx.commit().await?;
            let lines = rows.into_iter().map(|row| {
                vec![
                    row.reference.into(),
                    row.contact_id.into(),
                    row.name.into(),
                    row.company.into(),
                    row.status.into(),
                    row.conversion_date.into(),
                    row.calls.into(),
                    row.answered.into(),
                    row.talk_seconds.into(),
                    row.leads.into(),
                    Cell::Micros(row.credits_micros),
                    Cell::Micros(row.cost_micros),
                    (&open.period.currency).into(),
                    row.last_call_at.into(),
                ]
            });
            Ok((lines.collect(), next))
        }
    })
}
