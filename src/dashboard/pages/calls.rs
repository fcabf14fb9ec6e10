//! The calls of a period, newest first, narrowed by filters.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::download::{self, Batch, Cell, Format, Head, Kind};
use super::filter::{Asked, Filter, outcome_word};
use super::{Cursor, Open, PAGE_ROWS, Refused, answered, cut, outcome, page_limit, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;
use crate::dashboard::figures::OUTCOMES;
use crate::dashboard::format;

/// Calls that one page looks at to find those that a filter leaves; then it offers to look further.
const MAX_LOOKED: i64 = 5_000;
/// Calls of a period that are counted one by one where no roll-up has the figure.
const MAX_COUNTED: i64 = 10_000;
/// Agents to choose from.
const MAX_AGENTS: i64 = 500;

#[derive(Debug)]
struct Row {
    looked: i64,
    last_at: Option<DateTime<Utc>>,
    last_id: Option<Uuid>,
    id: Option<Uuid>,
    started_at: Option<DateTime<Utc>>,
    agent_id: Option<Uuid>,
    agent_name: Option<String>,
    lead_type: Option<String>,
    call_source: Option<String>,
    phone_number: Option<String>,
    duration_seconds: Option<i32>,
    outcome: Option<String>,
    total_score: Option<i32>,
    quality: Option<String>,
    credits_micros: Option<i64>,
    cost_micros: Option<i64>,
}

/// What is read: which calls, of whom.
#[derive(Debug, Clone)]
struct Question {
    tenant: Uuid,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    zone: String,
    filter: Filter,
}

/// `GET /tenants/{id}/calls`.
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
    let after = Cursor::of(asked)?;
    let question = Question {
        tenant: open.tenant,
        from: open.from,
        to: open.to,
        zone: open.period.zone.clone(),
        filter: open.filter.clone(),
    };
    let mut tx = open.tx().await?;
    let agents: Vec<(Uuid, String)> = sqlx::query_file!("sql/dashboard/agent_names.sql", open.tenant, MAX_AGENTS)
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .map(|row| (row.id, row.name))
        .collect();
    if let Some(format) = asked.file()? {
        return Ok(file(format, open, question));
    }
    let figure = figure(&mut tx, &question).await?;
    let (rows, next, looked_in_vain) = read(&mut tx, &question, after, PAGE_ROWS).await?;
    tx.commit().await?;
    let next = next.map(|next| next.text());
    let content = html! {
        section .card {
            (open.filter.form(&open, "/calls", &agents))
            (header(&open, figure))
            (table("Calls", &HEADS, &rows.iter().map(|row| line(&open, row)).collect::<Vec<_>>(), empty(next.is_some())))
            @if looked_in_vain {
                p .hint { "The newest " (format::integer(MAX_LOOKED)) " calls from there on were looked at. The next page looks further." }
            }
            (open.pager(&open.path("/calls"), &[], next.as_deref(), after.is_none()))
            (meanings())
        }
    };
    Ok(open.page("/calls", "Calls", &content))
}

const HEADS: [(&str, &str); 8] = [
    ("When", ""),
    ("Agent", ""),
    ("Direction", ""),
    ("Number", ""),
    ("Talk time", "n"),
    ("Outcome", ""),
    ("Lead score", "n"),
    ("Cost", "n"),
];

fn empty(goes_on: bool) -> &'static str {
    if goes_on { "None of these calls passes the filter." } else { "No call of this period passes the filter." }
}

/// A page of at most `count` calls, where the next begins, and whether it ends because
/// it has looked at enough.
async fn read(
    conn: &mut PgConnection,
    question: &Question,
    after: Option<Cursor>,
    count: usize,
) -> Result<(Vec<Row>, Option<Cursor>, bool), sqlx::Error> {
    let filter = &question.filter;
    let limit = page_limit(count);
    let looks = if filter.is_narrow() { MAX_LOOKED.max(limit) } else { limit };
    let rows = sqlx::query_file_as!(
        Row,
        "sql/dashboard/calls.sql",
        question.tenant,
        question.from,
        question.to,
        filter.agent,
        filter.outcome,
        filter.direction,
        filter.source,
        filter.min_s,
        filter.max_s,
        filter.lead,
        filter.weekday,
        filter.hour,
        question.zone,
        after.map(|after| after.at),
        after.map(|after| after.id),
        looks,
        limit
    )
    .fetch_all(conn)
    .await?;
    let looked = rows.first().map_or(0, |row| row.looked);
    let last = rows.first().and_then(|row| Some(Cursor { at: row.last_at?, id: row.last_id? }));
    let found: Vec<Row> = rows.into_iter().filter(|row| row.id.is_some()).collect();
    let (found, more) = cut(found, count);
    if more {
        let next = found.last().and_then(|row| Some(Cursor { at: row.started_at?, id: row.id? }));
        return Ok((found, next, false));
    }
    let in_vain = looked == looks;
    Ok((found, if in_vain { last } else { None }, in_vain))
}

/// How many calls the filter counts.
enum Figure {
    /// From the roll-ups.
    Stored(i64),
    /// Counted: no roll-up has it.
    Counted(i64),
    /// Neither: so many calls are in the period.
    Unknown(i64),
}

async fn figure(conn: &mut PgConnection, question: &Question) -> Result<Figure, sqlx::Error> {
    let filter = &question.filter;
    let row = sqlx::query_file!(
        "sql/dashboard/counted.sql",
        question.tenant,
        question.from,
        question.to,
        filter.agent,
        filter.min_s.map(|seconds| seconds.max(1)),
        filter.max_s,
        filter.weekday,
        filter.hour
    )
    .fetch_one(&mut *conn)
    .await?;
    let stored = match filter.narrowings() {
        0 => Some(row.calls),
        1 if filter.min_s.is_some() || filter.max_s.is_some() => Some(row.talked),
        1 if filter.weekday.is_some() || filter.hour.is_some() => Some(row.at_hour),
        1 => match (
            filter.outcome.as_deref(),
            filter.direction.as_deref(),
            filter.source.as_deref(),
            filter.lead.as_deref(),
        ) {
            (Some(word), ..) => {
                let at = OUTCOMES.iter().position(|outcome| outcome_word(outcome.key) == word);
                at.map(|at| row.outcomes.get(at).copied().unwrap_or(0))
            }
            (_, Some("inbound"), ..) => Some(row.inbound),
            (_, Some(_), ..) => Some(row.outbound),
            (_, _, Some("phone"), _) => Some(row.phone),
            (_, _, Some("internet"), _) => Some(row.internet),
            (_, _, Some(_), _) => Some(row.unknown),
            (.., Some("any")) => Some(row.leads),
            (.., Some("qualified")) => Some(row.hot + row.warm),
            (.., Some("hot")) => Some(row.hot),
            (.., Some("warm")) => Some(row.warm),
            (.., Some("cold")) => Some(row.cold),
            (.., Some(_)) => Some(row.unqualified),
            _ => None,
        },
        _ => None,
    };
    match stored {
        Some(stored) => Ok(Figure::Stored(stored)),
        None if row.calls > MAX_COUNTED => Ok(Figure::Unknown(row.calls)),
        None => Ok(Figure::Counted(count(conn, question).await?)),
    }
}

async fn count(conn: &mut PgConnection, question: &Question) -> Result<i64, sqlx::Error> {
    let filter = &question.filter;
    sqlx::query_file_scalar!(
        "sql/dashboard/count_calls.sql",
        question.tenant,
        question.from,
        question.to,
        filter.agent,
        filter.outcome,
        filter.direction,
        filter.source,
        filter.min_s,
        filter.max_s,
        filter.lead,
        filter.weekday,
        filter.hour,
        question.zone,
        MAX_COUNTED
    )
    .fetch_one(conn)
    .await
}

fn header(open: &Open, figure: Figure) -> Markup {
    let period = open.period_words();
    html! {
        p .counted {
            @match figure {
                Figure::Stored(count) => { strong { (format::integer(count)) } " calls, " (period) ", by the figures of its days." }
                Figure::Counted(count) => { strong { (format::integer(count)) } " calls, " (period) ", counted now: no figure is kept of these filters together." }
                Figure::Unknown(of) => { "Of " (format::integer(of)) " calls, " (period) ". No figure is kept of these filters together, and so many are not counted one by one." }
            }
        }
        @if let Some(before) = open.period.frozen_before.filter(|before| *before > open.from) {
            p .hint { "Calls before " (open.time(before)) " are in history files: counted, but not listed." }
        }
    }
}

fn line(open: &Open, row: &Row) -> Markup {
    let (Some(id), Some(started_at)) = (row.id, row.started_at) else { return html! {} };
    let cost = format!("{} {}", format::micros(row.cost_micros.unwrap_or(0), 2), open.period.currency);
    html! {
        tr {
            th scope="row" { a href=(open.path(&format!("/calls/{id}"))) { (open.time(started_at)) } }
            td { span .name { @if let Some(name) = &row.agent_name { (name) } @else { i { "deleted agent" } } } }
            td { (super::or_none(row.lead_type.as_deref())) }
            td { (open.number(row.phone_number.as_deref())) }
            td .n { (format::duration(i64::from(row.duration_seconds.unwrap_or(0)))) }
            td { (outcome(row.outcome.as_deref().unwrap_or_default())) }
            td .n { (super::score(row.total_score, None)) @if let Some(quality) = &row.quality { " " (quality) } }
            td .n { (cost) }
        }
    }
}

fn meanings() -> Markup {
    html! {
        details .definitions {
            summary { "What is counted" }
            dl {
                dt { "Calls" } dd { "Each provider execution once, by its start in the tenant's zone. The number above the list is the sum of the stored figures of the days; calls received since are listed before they are in it." }
                dt { "Talk time" } dd { "Seconds of conversation, voicemail included." }
                dt { "Lead score" } dd { "Total score of the call's own analysis; – without one." }
                dt { "Cost" } dd { "What the provider charged." }
            }
        }
    }
}

const COLUMNS: [Head; 14] = [
    ("id", Kind::Text),
    ("started_at", Kind::Time),
    ("agent_id", Kind::Text),
    ("agent", Kind::Text),
    ("direction", Kind::Text),
    ("source", Kind::Text),
    ("number", Kind::Text),
    ("talk_seconds", Kind::Number),
    ("outcome", Kind::Text),
    ("lead_score", Kind::Number),
    ("lead_quality", Kind::Text),
    ("credits", Kind::Micros),
    ("cost", Kind::Micros),
    ("currency", Kind::Text),
];

fn file(format: Format, open: Open, question: Question) -> Response {
    let open = Arc::new(open);
    download::file(format, "calls", &COLUMNS, move |after| {
        let (open, question) = (Arc::clone(&open), question.clone());
        async move { batch(&open, &open.pool, &question, after).await }
    })
}

async fn batch(
    open: &Open,
    pool: &PgPool,
    question: &Question,
    after: Option<Cursor>,
) -> Result<Batch<Cursor>, sqlx::Error> {
    let mut tx = tallyline_db::pool::tenant_tx(pool, question.tenant).await?;
    let (rows, next, _) = read(&mut tx, question, after, download::BATCH).await?;
    tx.commit().await?;
    let lines = rows.into_iter().map(|row| {
        vec![
            row.id.into(),
            row.started_at.into(),
            row.agent_id.into(),
            row.agent_name.into(),
            row.lead_type.into(),
            row.call_source.into(),
            row.phone_number.map(|number| open.number(Some(&number))).into(),
            row.duration_seconds.into(),
            row.outcome.into(),
            row.total_score.into(),
            row.quality.into(),
            Cell::micros(row.credits_micros),
            Cell::micros(row.cost_micros),
            (&open.period.currency).into(),
        ]
    });
    Ok((lines.collect(), next))
}
