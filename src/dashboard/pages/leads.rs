//! Contacts as leads: by score or by last contact.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use sqlx::PgConnection;
use uuid::Uuid;

use super::download::{self, Format, Head, Kind};
use super::filter::Asked;
use super::{Cursor, NO_CURSOR, Open, PAGE_ROWS, Refused, answered, cut, or_none, page_limit, score, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    phone_number: String,
    email: Option<String>,
    company: Option<String>,
    is_customer: bool,
    last_contact_at: Option<DateTime<Utc>>,
    total_score: Option<i32>,
    score_scale: Option<i16>,
    quality: Option<String>,
    lead_status_tag: Option<String>,
    company_name: Option<String>,
}

/// An order of the list and where a page of it begins.
#[derive(Debug, Clone, Copy)]
enum Order {
    Score(Option<(i32, Uuid)>),
    Contact(Option<Cursor>),
}

impl Order {
    fn of(asked: &Asked) -> Result<Order, Refused> {
        match asked.sort.as_deref() {
            None | Some("" | "contact") => Ok(Order::Contact(Cursor::of(asked)?)),
            Some("score") => {
                let Some(text) = asked.after.as_deref().filter(|text| !text.is_empty()) else {
                    return Ok(Order::Score(None));
                };
                let parsed = text.split_once('_').and_then(|(score, id)| Some((score.parse().ok()?, id.parse().ok()?)));
                parsed.map(|at| Order::Score(Some(at))).ok_or(Refused::Bad(NO_CURSOR))
            }
            Some(_) => Err(Refused::Bad("leads are sorted by score or contact")),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Order::Score(_) => "score",
            Order::Contact(_) => "contact",
        }
    }

    fn is_first(self) -> bool {
        matches!(self, Order::Score(None) | Order::Contact(None))
    }

    fn behind(self, row: &Row) -> Option<Order> {
        match self {
            Order::Score(_) => Some(Order::Score(Some((row.total_score?, row.id)))),
            Order::Contact(_) => Some(Order::Contact(Some(Cursor { at: row.last_contact_at?, id: row.id }))),
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Order::Score(at) => at.map(|(score, id)| format!("{score}_{id}")),
            Order::Contact(at) => at.map(|cursor| cursor.text()),
        }
    }
}

/// `GET /tenants/{id}/leads`.
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
    let order = Order::of(asked)?;
    if let Some(format) = asked.file()? {
        return Ok(file(format, open, order));
    }
    let mut tx = open.tx().await?;
    let (rows, next) = read(&mut tx, open.tenant, order, PAGE_ROWS).await?;
    tx.commit().await?;
    let heads = [
        ("Name", ""),
        ("Company", ""),
        ("Number", ""),
        ("Score", "n"),
        ("Quality", ""),
        ("Tag", ""),
        ("Last contact", ""),
        ("Customer", ""),
    ];
    let lines: Vec<Markup> = rows.iter().map(|row| line(&open, row)).collect();
    let sorts = [("contact", "Last contact"), ("score", "Score")];
    let content = html! {
        section .card {
            nav .ranges.apart aria-label="Order" {
                @for (word, text) in sorts {
                    a href=(format!("{}?sort={word}", open.path("/leads"))) aria-current=[(word == order.word()).then_some("true")] { (text) }
                }
            }
            p .counted {
                @match order {
                    Order::Score(_) => "Contacts with a score, over all their calls, the best first.",
                    Order::Contact(_) => "Contacts that calls were with, the last one first.",
                }
            }
            (table("Leads", &heads, &lines, "There is no lead here yet."))
            (open.pager(&open.path("/leads"), &[("sort", order.word())], next.and_then(Order::text).as_deref(), order.is_first()))
        }
    };
    Ok(open.page("/leads", "Leads", &content))
}

async fn read(
    conn: &mut PgConnection,
    tenant: Uuid,
    order: Order,
    count: usize,
) -> Result<(Vec<Row>, Option<Order>), sqlx::Error> {
    let limit = page_limit(count);
    let rows = match order {
        Order::Score(at) => {
            let (score, id) = at.unzip();
            sqlx::query_file_as!(Row, "sql/dashboard/leads_by_score.sql", tenant, score, id, limit)
                .fetch_all(conn)
                .await?
        }
        Order::Contact(at) => {
            let (time, id) = at.map(|cursor| (cursor.at, cursor.id)).unzip();
            sqlx::query_file_as!(Row, "sql/dashboard/leads_by_contact.sql", tenant, time, id, limit)
                .fetch_all(conn)
                .await?
        }
    };
    let (rows, more) = cut(rows, count);
    let next = rows.last().filter(|_| more).and_then(|row| order.behind(row));
    Ok((rows, next))
}

fn company(row: &Row) -> Option<&str> {
    row.company.as_deref().or(row.company_name.as_deref())
}

fn line(open: &Open, row: &Row) -> Markup {
    html! {
        tr {
            th scope="row" { a .name href=(open.path(&format!("/leads/{}", row.id))) { (row.name) } }
            td { (or_none(company(row))) }
            td { (open.number(Some(&row.phone_number))) }
            td .n { (score(row.total_score, row.score_scale)) }
            td { (or_none(row.quality.as_deref())) }
            td { (or_none(row.lead_status_tag.as_deref())) }
            td { (open.optional_time(row.last_contact_at)) }
            td { (if row.is_customer { "yes" } else { "no" }) }
        }
    }
}

const COLUMNS: [Head; 11] = [
    ("contact_id", Kind::Text),
    ("name", Kind::Text),
    ("company", Kind::Text),
    ("number", Kind::Text),
    ("email", Kind::Text),
    ("score", Kind::Number),
    ("score_scale", Kind::Number),
    ("quality", Kind::Text),
    ("tag", Kind::Text),
    ("last_contact_at", Kind::Time),
    ("is_customer", Kind::Flag),
];

fn file(format: Format, open: Open, order: Order) -> Response {
    let open = Arc::new(open);
    download::file(format, "leads", &COLUMNS, move |next: Option<Order>| {
        let open = Arc::clone(&open);
        async move {
            let mut tx = open.tx().await?;
            let (rows, next) = read(&mut tx, open.tenant, next.unwrap_or(order), download::BATCH).await?;
            tx.commit().await?;
            let lines = rows.iter().map(|row| {
                vec![
                    row.id.into(),
                    (&row.name).into(),
                    company(row).into(),
                    open.number(Some(&row.phone_number)).into(),
                    row.email.as_ref().filter(|_| open.is_own()).into(),
                    row.total_score.into(),
                    row.score_scale.into(),
                    row.quality.as_ref().into(),
                    row.lead_status_tag.as_ref().into(),
                    row.last_contact_at.into(),
                    row.is_customer.into(),
                ]
            });
            Ok((lines.collect(), next))
        }
    })
}
