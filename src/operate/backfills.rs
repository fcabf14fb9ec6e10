//! `/operate/backfills`: what was asked for and how far it has come; preview,
//! start, pause, resume, cancel.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use chrono::NaiveDate;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tallyline_jobs::backfill::{self, BackfillError, Change, Fault, Plan, Progress, Request};
use uuid::Uuid;

use super::page::{
    Answer, AsAdmin, LINES, Operator, Said, Stop, back, button, card, choice, facts, filled, line, moment, moment_or,
    page, span, table, tenant, tenant_id,
};
use crate::accounts::Role;
use crate::accounts::guard::Gate;
use crate::dashboard::format::{self, integer};

const PATH: &str = "/operate/backfills";

/// Units with a fault that are shown.
const FAULTS: i64 = 100;
/// Up to so many calls go by marks, more by a scan.
const SHORT_CALLS: i64 = 100_000;

impl From<BackfillError> for Stop {
    fn from(error: BackfillError) -> Self {
        match error {
            BackfillError::UnknownBackfill(_) => Stop::NotFound,
            BackfillError::UnknownTenant(_) | BackfillError::NotNow(_) | BackfillError::NoSuchDays => {
                Stop::Refused(error.to_string())
            }
            other => Stop::Database(other.to_string()),
        }
    }
}

pub async fn list(State(gate): State<Arc<Gate>>, Operator(who): Operator) -> Answer {
    let all = backfill::list(&gate.pool, LINES).await?;
    let rows = html! {
        @for b in &all { tr {
            th scope="row" { a href={ (PATH) "/" (b.id) } { (moment(b.created_at)) } }
            td { @match b.user_id { Some(id) => (tenant(Some(id))), None => "all" } }
            td { (days(b)) } td { (b.mode) " by " (b.method) } td { (b.state) }
            td { (bar(b)) }
            td .n { (integer(b.calls_done)) " of " (integer(b.calls)) }
            td .n { (span(b.eta_seconds)) }
        } }
    };
    let content = html! {
        @if all.is_empty() { p .empty-state { "There was none." } }
        @else { (table("Backfills", &["Begun", "Tenant", "Days", "Mode", "State", "Units", "#Calls", "#Left"], &rows)) }
        @if who.may_change(Role::Admin) { (card("new-title", "Make figures of past days anew", &form(&Asked::default()))) }
    };
    page(&gate, &who, PATH, "Backfills", content).await
}

fn days(b: &Progress) -> String {
    let day = |day: Option<NaiveDate>, none: &str| day.map_or_else(|| none.to_owned(), |day| day.to_string());
    match (b.first_day, b.last_day) {
        (None, None) => "all".to_owned(),
        (first, last) => format!("{} to {}", day(first, "the first"), day(last, "the last")),
    }
}

fn bar(b: &Progress) -> Markup {
    let label = format!("{} of {} units", b.units_done, b.units);
    html! { progress max=(b.units.max(1)) value=(b.units_done) aria-label=(label) {} " " (b.units_done) "/" (b.units)
    @if b.units_failed > 0 { ", " (b.units_failed) " failed" } }
}

/// What is asked for, as a form has it.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    tenant: Option<String>,
    from: Option<String>,
    to: Option<String>,
    mode: Option<String>,
    method: Option<String>,
    rate: Option<String>,
    reason: Option<String>,
}

impl Asked {
    fn request(&self) -> Result<Request, Stop> {
        let day = |text: &Option<String>| {
            let parse =
                |text: &str| text.parse::<NaiveDate>().map_err(|_| Stop::refused("A day is written 2026-05-31."));
            filled(text.as_ref()).map(parse).transpose()
        };
        let (first_day, last_day) = (day(&self.from)?, day(&self.to)?);
        if first_day.zip(last_day).is_some_and(|(first, last)| first > last) {
            return Err(Stop::refused("The first day lies after the last."));
        }
        let rate = |text: &str| {
            text.parse()
                .ok()
                .filter(|rate: &i32| *rate > 0)
                .ok_or(Stop::refused("Calls a second are a number above 0."))
        };
        let mode = filled(self.mode.as_ref()).unwrap_or("missing");
        let method = filled(self.method.as_ref()).map(str::parse).transpose();
        Ok(Request {
            tenant: tenant_id(self.tenant.as_ref())?,
            first_day,
            last_day,
            mode: mode.parse().map_err(|_| Stop::refused("Modes are missing, stale and all."))?,
            method: method.map_err(|_| Stop::refused("Methods are marks and scan."))?,
            short_calls: SHORT_CALLS,
            max_calls_per_second: filled(self.rate.as_ref()).map(rate).transpose()?,
            reason: filled(self.reason.as_ref()).unwrap_or_default().chars().take(500).collect(),
        })
    }

    fn value<'a>(&self, field: &'a Option<String>) -> &'a str {
        field.as_deref().unwrap_or_default()
    }
}

fn form(asked: &Asked) -> Markup {
    html! {
        form .filters method="get" action={ (PATH) "/preview" } {
            (line("b-tenant", "tenant", "Tenant; empty for all", asked.value(&asked.tenant)))
            div { label for="b-from" { "First day" } input id="b-from" type="date" name="from" value=(asked.value(&asked.from)); }
            div { label for="b-to" { "Last day" } input id="b-to" type="date" name="to" value=(asked.value(&asked.to)); }
            (choice("b-mode", "mode", "Days", None, &["missing", "stale", "all"], asked.mode.as_deref()))
            (choice("b-method", "method", "Method", Some("by size"), &["marks", "scan"], asked.method.as_deref()))
            (line("b-rate", "rate", "Calls a second at most", asked.value(&asked.rate)))
            button type="submit" { "Preview" }
        }
        p .hint {
            "missing: days with calls and without their rows. stale: days that differ from the calls. "
            "Days are local days of each tenant, both included; empty: from the first call to the last."
        }
    }
}

/// Shows what would be done; only for who may do it, since it counts.
pub async fn preview(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Query(asked): Query<Asked>) -> Answer {
    let plan = backfill::preview(&gate.pool, &asked.request()?).await?;
    let fields = ["tenant", "from", "to", "mode", "method", "rate"];
    let values = [&asked.tenant, &asked.from, &asked.to, &asked.mode, &asked.method, &asked.rate];
    let hidden: Vec<(&str, &str)> =
        fields.iter().zip(values).map(|(name, value)| (*name, value.as_deref().unwrap_or_default())).collect();
    let content = html! {
        (card("plan-title", "What would be done", &planned(&plan)))
        @if plan.units > 0 { div .actions {
            (button(PATH, "Start", &hidden, &line("b-reason", "reason", "Reason", "")))
        } }
        (card("again-title", "Ask for something else", &form(&asked)))
    };
    page(&gate, &actor.principal, PATH, "Preview of a backfill", content).await
}

fn planned(plan: &Plan) -> Markup {
    let basis =
        if plan.estimate_is_measured { "at the speed of the last units" } else { "assumed: none was done here yet" };
    facts(&[
        ("Tenants", html! { (plan.tenants) }),
        ("Days", html! { (integer(plan.days)) ", " (integer(plan.quarters)) " quarters of an hour with calls" }),
        ("Calls", html! { (integer(plan.calls)) }),
        ("Units", html! { (plan.units) " by " (plan.method.as_str()) }),
        ("Takes about", html! { (format::duration(plan.estimated_seconds.ceil() as i64)) " (" (basis) ")" }),
        ("Outside the calendar", html! { (integer(plan.calls_outside_calendar)) " calls, which are not reached" }),
    ])
}

pub async fn start(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Form(asked): Form<Asked>) -> Answer {
    let request = asked.request()?;
    let prepared = backfill::prepare(&gate.pool, &request).await?;
    let details = json!({
        "first_day": request.first_day, "last_day": request.last_day, "mode": request.mode,
        "calls_per_second": request.max_calls_per_second, "reason": request.reason, "units": prepared.plan.units,
    });
    let mut tx = gate.pool.begin().await?;
    let id = prepared.begin(&mut tx).await?;
    actor.record(&mut tx, "backfill.start", ("backfill", id.to_string()), request.tenant, details).await?;
    tx.commit().await?;
    Ok(back(&format!("{PATH}/{id}"), "done"))
}

pub async fn show(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    let progress = backfill::show(&gate.pool, id).await?;
    let faults = backfill::faults(&gate.pool, id, FAULTS).await?;
    let content = html! {
        (said.note())
        p .freshness { span .state { "State " strong { (progress.state) } } button .live type="button" id="live" hidden { "Pause updates" } }
        (card("progress-title", "Progress", &numbers(&progress)))
        @if who.may_change(Role::Admin) { (actions(&progress)) }
        @if !faults.is_empty() { (card("faults-title", "Units with a fault", &faulty(&faults))) }
    };
    super::page::live_page(&gate, &who, PATH, "Backfill", content).await
}

fn numbers(b: &Progress) -> Markup {
    facts(&[
        ("Units", bar(b)),
        (
            "Calls",
            html! { (integer(b.calls_done)) " of " (integer(b.calls)) " planned, " (integer(b.calls_read)) " read" },
        ),
        (
            "Buckets",
            html! { (integer(b.buckets_written)) " written, " (integer(b.buckets_discarded)) " left to live work" },
        ),
        ("Left", html! { (span(b.eta_seconds)) }),
        ("Tenant", html! { @match b.user_id { Some(id) => (tenant(Some(id))), None => "all" } }),
        ("Days", html! { (days(b)) }),
        ("Mode", html! { (b.mode) " by " (b.method) }),
        (
            "Calls a second",
            html! { @match b.max_calls_per_second { Some(rate) => (rate), None => "as fast as it goes" } },
        ),
        ("Reason", html! { (b.reason) }),
        ("Begun", moment(b.created_at)),
        ("Ended", moment_or(b.finished_at, format::NONE)),
    ])
}

fn actions(b: &Progress) -> Markup {
    let to = |change: &str| format!("{PATH}/{}/{change}", b.id);
    html! {
        div .actions {
            @if b.state == "running" { (button(&to("pause"), "Pause", &[], &html! {})) }
            @if b.state == "paused" { (button(&to("resume"), "Resume", &[], &html! {})) }
            @if b.state == "failed" { (button(&to("resume"), "Try failed units again", &[], &html! {})) }
            @if !b.is_over() { (button(&to("cancel"), "Cancel", &[], &html! {})) }
        }
    }
}

fn faulty(faults: &[Fault]) -> Markup {
    let rows = html! {
        @for fault in faults { tr {
            th scope="row" { (tenant(Some(fault.user_id))) } td { (moment(fault.from_time)) } td { (moment(fault.to_time)) }
            td { (fault.state) } td .n { (fault.attempts) } td .text { (fault.error.as_deref().unwrap_or_default()) }
        } }
    };
    table("Units with a fault", &["Tenant", "From", "To", "State", "#Attempts", "Error"], &rows)
}

pub async fn change(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path((id, word)): Path<(String, String)>,
) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    let change = match word.as_str() {
        "pause" => Change::Pause,
        "resume" => Change::Resume,
        "cancel" => Change::Cancel,
        _ => return Err(Stop::NotFound),
    };
    let mut tx = gate.pool.begin().await?;
    let changed = backfill::change_in(&mut tx, id, change).await?;
    let details = json!({ "before": { "state": changed.before }, "after": { "state": changed.after } });
    actor.record(&mut tx, &format!("backfill.{word}"), ("backfill", id.to_string()), changed.tenant, details).await?;
    tx.commit().await?;
    Ok(back(&format!("{PATH}/{id}"), "done"))
}
