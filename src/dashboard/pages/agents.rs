//! The agents of a tenant side by side, and one of them with its charts.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use uuid::Uuid;

use super::download::{self, Cell, Format, Head, Kind};
use super::filter::Asked;
use super::{Open, Refused, answered, id_of, table};
use crate::accounts::Principal;
use crate::accounts::guard::Gate;
use crate::dashboard::data::{self, Span};
use crate::dashboard::figures::Change;
use crate::dashboard::{breakdown, chart, format, tiles, view};

/// Agents that are listed, those with most calls.
const MAX_AGENTS: i64 = 1000;

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: Option<String>,
    calls: i64,
    answered: i64,
    in_progress: i64,
    minutes: i64,
    talk_seconds: i64,
    talked: i64,
    median_seconds: Option<i32>,
    leads: i64,
    qualified: i64,
    cost_micros: i64,
    credits_micros: i64,
    calls_before: i64,
}

/// `GET /tenants/{id}/agents`.
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
    let mut tx = open.tx().await?;
    let rows = sqlx::query_file_as!(
        Row,
        "sql/dashboard/agents.sql",
        open.tenant,
        open.previous_from,
        open.from,
        open.to,
        MAX_AGENTS
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    if let Some(format) = asked.file()? {
        return Ok(file(format, &open, rows));
    }
    let heads = [
        ("Agent", ""),
        ("Calls", "n"),
        ("Change", "n"),
        ("Answered", "n"),
        ("Answer rate", "n"),
        ("Minutes", "n"),
        ("Average talk", "n"),
        ("Median talk", "n"),
        ("Leads", "n"),
        ("Qualified", "n"),
        ("Cost", "n"),
        ("Per answered call", "n"),
    ];
    let lines: Vec<Markup> = rows.iter().map(|row| line(&open, row)).collect();
    let content = html! {
        section .card {
            (period_form(&open, "/agents"))
            p .counted { (open.period_words()) ". Changes are against as many days before." }
            (table("Agents", &heads, &lines, "There is no agent yet."))
            (open.pager(&open.path("/agents"), &[], None, true))
            details .definitions { summary { "What the figures mean" } dl {
                dt { "Answer rate" } dd { "Answered calls of the calls that ended." }
                dt { "Average, median talk" } dd { "Over the calls with any talk, voicemail included; the median is exact." }
                dt { "Per answered call" } dd { "What the provider charged for all calls, by answered call, rounded to hundredths." }
                dt { "Change" } dd { "Of the number of calls, against the period before." }
            } }
        }
    };
    Ok(open.page("/agents", "Agents", &content))
}

/// The form for a period alone.
pub fn period_form(open: &Open, path: &str) -> Markup {
    html! {
        form .filters method="get" action=(open.path(path)) {
            div { label for="from" { "From" } input id="from" name="from" type="date" required value=(open.period.from_date); }
            div { label for="to" { "To" } input id="to" name="to" type="date" required value=(open.period.to_date); }
            div .go { button type="submit" { "Show" } }
        }
    }
}

fn average(row: &Row) -> Option<i64> {
    format::per_unit(row.talk_seconds, row.talked, 1)
}

/// Micro-units, rounded to hundredths.
fn per_answered(row: &Row) -> Option<i64> {
    format::per_unit(row.cost_micros, row.answered, 10_000)?.checked_mul(10_000)
}

fn line(open: &Open, row: &Row) -> Markup {
    let id = row.id.to_string();
    let none = || format::NONE.to_owned();
    let calls = |narrow: &[(&str, &str)], count: i64| {
        let mut all = vec![("agent", id.as_str())];
        all.extend_from_slice(narrow);
        html! { td .n { a href=(open.calls(&all)) { (format::integer(count)) } } }
    };
    html! {
        tr {
            th scope="row" {
                @match &row.name {
                    Some(name) => a .name href=(open.filter.address(&open.path(&format!("/agents/{id}")), &[])) { (name) },
                    None => i { "deleted agent" },
                }
            }
            (calls(&[], row.calls))
            td .n { (tiles::change(&Change::of_amount(row.calls, row.calls_before), tiles::Welcome::Neither)) }
            (calls(&[("outcome", "answered")], row.answered))
            td .n { (format::percent(row.answered, row.calls - row.in_progress)) }
            td .n { (format::integer(row.minutes)) }
            td .n { (average(row).map_or_else(none, format::duration)) }
            td .n { (row.median_seconds.map_or_else(none, |s| format::duration(i64::from(s)))) }
            (calls(&[("lead", "any")], row.leads))
            (calls(&[("lead", "qualified")], row.qualified))
            td .n { (format::micros(row.cost_micros, 2)) " " (open.period.currency) }
            td .n { (per_answered(row).map_or_else(none, |m| format::micros(m, 2))) }
        }
    }
}

const COLUMNS: [Head; 15] = [
    ("agent_id", Kind::Text),
    ("agent", Kind::Text),
    ("calls", Kind::Number),
    ("calls_before", Kind::Number),
    ("answered", Kind::Number),
    ("answer_rate_percent", Kind::Tenths),
    ("minutes", Kind::Number),
    ("average_talk_seconds", Kind::Number),
    ("median_talk_seconds", Kind::Number),
    ("leads", Kind::Number),
    ("qualified_leads", Kind::Number),
    ("credits", Kind::Micros),
    ("cost", Kind::Micros),
    ("cost_per_answered_call", Kind::Micros),
    ("currency", Kind::Text),
];

fn file(format: Format, open: &Open, rows: Vec<Row>) -> Response {
    let lines: Vec<Vec<Cell>> = rows
        .into_iter()
        .map(|row| {
            vec![
                row.id.into(),
                row.name.as_ref().into(),
                row.calls.into(),
                row.calls_before.into(),
                row.answered.into(),
                Cell::tenths(format::per_mille(row.answered, row.calls - row.in_progress)),
                row.minutes.into(),
                average(&row).into(),
                row.median_seconds.into(),
                row.leads.into(),
                row.qualified.into(),
                Cell::Micros(row.credits_micros),
                Cell::Micros(row.cost_micros),
                Cell::micros(per_answered(&row)),
                (&open.period.currency).into(),
            ]
        })
        .collect();
    download::file(format, "agents", &COLUMNS, move |_: Option<()>| {
        let lines = lines.clone();
        async move { Ok((lines, None)) }
    })
}

/// `GET /tenants/{id}/agents/{agent_id}`: the charts of the overview, of one agent.
pub async fn page(
    State(gate): State<Arc<Gate>>,
    principal: Principal,
    Path((id, agent_id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    answered(&principal, shown(&gate, principal.clone(), &id, &agent_id, &asked).await)
}

async fn shown(
    gate: &Gate,
    principal: Principal,
    id: &str,
    agent_id: &str,
    asked: &Asked,
) -> Result<Response, Refused> {
    let open = Open::new(gate, principal, id, asked).await?;
    let agent_id = id_of(agent_id)?;
    let name = {
        let mut tx = open.tx().await?;
        let name =
            sqlx::query_scalar!("SELECT name FROM public.agents WHERE user_id = $1 AND id = $2", open.tenant, agent_id)
                .fetch_optional(&mut *tx)
                .await?;
        tx.commit().await?;
        name.ok_or(Refused::Unknown)?
    };
    let last_days = u16::try_from(open.filter.days).unwrap_or(crate::dashboard::DEFAULT_DAYS);
    let span = open.filter.dates.map_or(Span::Last(last_days), |(from, to)| Span::Dates(from, to));
    let page = data::page(&open.pool, open.tenant, span, Some(agent_id)).await?;
    let page = page.ok_or(Refused::Bad("there are no such days"))?;
    let links = breakdown::Links::of(&page, Some(agent_id));
    let path = format!("/agents/{agent_id}");
    let content = html! {
        nav .ranges.apart aria-label="Period" {
            @for range in view::RANGES {
                @let is_shown = open.filter.dates.is_none() && range == last_days;
                a href=(format!("{}?days={range}", open.path(&path))) aria-current=[is_shown.then_some("true")] {
                    (range) span .unit-word { " days" }
                }
            }
        }
        (period_form(&open, &path))
        p .counted { (open.period_words()) ". Changes are against " (view::date_range(page.previous_from, page.previous_until)) "." }
        (tiles::of_agent(&page))
        p .counted { a href=(links.calls(&[])) { "Calls of this agent" } }
        (view::days_section(&page))
        (view::hours_section(&page))
        (breakdown::sections(&page, &links))
        (chart::patterns())
    };
    Ok(open.page("/agents", &name, &content))
}
