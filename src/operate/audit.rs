//! `/operate/audit`: who changed what, when, from where.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use tallyline_jobs::admin_log::COMMAND_LINE;
use uuid::Uuid;

use super::page::{
    Answer, LINES, Operator, Stop, address, card, facts, filled, line, moment, more, page, short, table, tenant,
    tenant_id,
};
use crate::accounts::guard::Gate;
use crate::accounts::people;
use crate::dashboard::format;

const PATH: &str = "/operate/audit";

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    who: Option<String>,
    action: Option<String>,
    tenant: Option<String>,
    from: Option<String>,
    to: Option<String>,
    before: Option<String>,
}

struct Entry {
    id: Uuid,
    created_at: DateTime<Utc>,
    admin_user_id: Uuid,
    who: Option<String>,
    action: String,
    resource_type: String,
    resource_id: Option<String>,
    target_user_id: Option<Uuid>,
    address: Option<String>,
}

/// An account by its e-mail address; whoever works on the machine has none.
fn name(id: Uuid, email: Option<&str>) -> String {
    match email {
        _ if id == COMMAND_LINE => "command line".to_owned(),
        Some(email) => email.to_owned(),
        None => format!("{} (gone)", short(id)),
    }
}

/// The account that a filter names, `nil` for none that there is.
async fn account(gate: &Gate, text: Option<&str>) -> Result<Option<Uuid>, Stop> {
    Ok(match text {
        None => None,
        Some("command line") => Some(COMMAND_LINE),
        Some(email) => match email.parse() {
            Ok(id) => Some(id),
            Err(_) => Some(people::by_email(&gate.pool, email).await?.map_or(Uuid::nil(), |(id, _)| id)),
        },
    })
}

fn day(text: Option<&String>) -> Result<Option<DateTime<Utc>>, Stop> {
    let parse = |text: &str| {
        let day = text.parse::<NaiveDate>().map_err(|_| Stop::refused("A day is written 2026-05-31."))?;
        Ok(day.and_time(NaiveTime::MIN).and_utc())
    };
    filled(text).map(parse).transpose()
}

/// Where a page begins: the last entry of the page before.
fn place(text: Option<&String>) -> Result<Option<(DateTime<Utc>, Uuid)>, Stop> {
    let parse = |text: &str| {
        let (micros, id) = text.split_once('.')?;
        Some((DateTime::from_timestamp_micros(micros.parse().ok()?)?, id.parse().ok()?))
    };
    filled(text).map(|text| parse(text).ok_or(Stop::refused("This is no place in this list."))).transpose()
}

pub async fn list(State(gate): State<Arc<Gate>>, Operator(who): Operator, Query(asked): Query<Asked>) -> Answer {
    let by = account(&gate, filled(asked.who.as_ref())).await?;
    let from = day(asked.from.as_ref())?.unwrap_or(DateTime::UNIX_EPOCH);
    let until = day(asked.to.as_ref())?.map(|day| day + chrono::TimeDelta::days(1));
    let below = place(asked.before.as_ref())?;
    let (at, id) = below.unwrap_or((DateTime::UNIX_EPOCH, Uuid::nil()));
    let entries = sqlx::query_file_as!(
        Entry,
        "sql/operate/audit.sql",
        by,
        filled(asked.action.as_ref()),
        tenant_id(asked.tenant.as_ref())?,
        from,
        until,
        at,
        id,
        below.is_some(),
        LINES,
    )
    .fetch_all(&gate.pool)
    .await?;
    let full = i64::try_from(entries.len()).is_ok_and(|lines| lines >= LINES);
    let next = entries.last().filter(|_| full).map(|last| {
        let place = format!("{}.{}", last.created_at.timestamp_micros(), last.id);
        let value = |text| filled(Option::as_ref(text));
        let filters = [
            ("who", value(&asked.who)),
            ("action", value(&asked.action)),
            ("tenant", value(&asked.tenant)),
            ("from", value(&asked.from)),
            ("to", value(&asked.to)),
            ("before", Some(place.as_str())),
        ];
        address(PATH, &filters)
    });
    let content = html! { (form(&asked)) (lines(&entries)) (more(next)) };
    page(&gate, &who, PATH, "Audit log", content).await
}

fn form(asked: &Asked) -> Markup {
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    html! {
        form .filters method="get" action=(PATH) {
            (line("a-who", "who", "Who (e-mail, or command line)", &value(&asked.who)))
            (line("a-action", "action", "Action begins with", &value(&asked.action)))
            (line("a-tenant", "tenant", "Tenant", &value(&asked.tenant)))
            div { label for="a-from" { "From" } input id="a-from" type="date" name="from" value=(value(&asked.from)); }
            div { label for="a-to" { "To" } input id="a-to" type="date" name="to" value=(value(&asked.to)); }
            button type="submit" { "Show" }
        }
    }
}

fn lines(entries: &[Entry]) -> Markup {
    let rows = html! {
        @for entry in entries { tr {
            th scope="row" { a href={ (PATH) "/" (entry.id) } { (moment(entry.created_at)) } }
            td { (name(entry.admin_user_id, entry.who.as_deref())) } td { (entry.action) }
            td { (entry.resource_type) " " (entry.resource_id.as_deref().unwrap_or_default()) }
            td { (tenant(entry.target_user_id)) } td { (entry.address.as_deref().unwrap_or_default()) }
        } }
    };
    html! {
        @if entries.is_empty() { p .empty-state { "Nothing matches." } }
        @else { (table("Audit log", &["When", "Who", "Action", "What", "Tenant", "From"], &rows)) }
    }
}

pub async fn show(State(gate): State<Arc<Gate>>, Operator(who): Operator, Path(id): Path<String>) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    let entry =
        sqlx::query_file!("sql/operate/audit_entry.sql", id).fetch_optional(&gate.pool).await?.ok_or(Stop::NotFound)?;
    let lines = [
        ("When", moment(entry.created_at)),
        ("Who", html! { (name(entry.admin_user_id, entry.who.as_deref())) }),
        ("What", html! { (entry.resource_type) " " (entry.resource_id.as_deref().unwrap_or_default()) }),
        ("Tenant", tenant(entry.target_user_id)),
        ("Address", html! { (entry.address.as_deref().unwrap_or(format::NONE)) }),
        ("Program", html! { (entry.user_agent.as_deref().unwrap_or(format::NONE)) }),
    ];
    let content = html! { (card("entry-title", &entry.action, &facts(&lines))) (details(&entry.details)) };
    page(&gate, &who, PATH, "Entry of the audit log", content).await
}

/// Before and after side by side, and the rest.
fn details(details: &Value) -> Markup {
    let mut rest = details.clone();
    let mut part = |name: &str| rest.as_object_mut().and_then(|fields| fields.remove(name));
    let (before, after) = (part("before"), part("after"));
    html! {
        @for (id, title, value) in [("before", "Before", before), ("after", "After", after)] {
            @if let Some(value) = value { (card(id, title, &html! { pre { (format!("{value:#}")) } })) }
        }
        @if rest.as_object().is_none_or(|fields| !fields.is_empty()) {
            (card("details", "Details", &html! { pre { (format!("{rest:#}")) } }))
        }
    }
}
