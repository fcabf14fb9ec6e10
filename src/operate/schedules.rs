//! `/operate/schedules`: what runs by the clock, and when; run now, pause, resume.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tallyline_queue::schedules::{self, FireView, RunNow, ScheduleView};

use super::page::{
    Answer, AsAdmin, Operator, Reason, Said, back, button, card, facts, moment, moment_or, page, part, reason, table,
};
use crate::accounts::Role;
use crate::accounts::guard::Gate;

const PATH: &str = "/operate/schedules";

/// Fires that a schedule's page shows.
const FIRES: i64 = 50;

pub async fn list(State(gate): State<Arc<Gate>>, Operator(who): Operator) -> Answer {
    let all = schedules::list(&gate.pool).await?;
    let rows = html! {
        @for schedule in &all { tr {
            th scope="row" { a href={ (PATH) "/" (part(&schedule.row.name)) } { (schedule.row.name) } }
            td { (schedule.row.kind) } td { code { (schedule.row.cron) } " " (schedule.row.timezone) }
            td { (next(schedule)) }
            td { (moment_or(schedule.row.last_fire_at, "never")) }
            td { (schedule.row.last_outcome.as_deref().unwrap_or_default()) }
        } }
    };
    let content = html! {
        @if all.is_empty() { p .empty-state { "There is no schedule. A process writes those of its configuration when it starts." } }
        @else { (table("Schedules", &["Schedule", "Job", "Cron", "Next", "Last", "Outcome"], &rows)) }
    };
    page(&gate, &who, PATH, "Schedules", content).await
}

fn next(schedule: &ScheduleView) -> Markup {
    html! {
        @if let Some(problem) = &schedule.problem { (problem) }
        @else if schedule.row.paused_at.is_some() { "paused: " (schedule.row.paused_reason.as_deref().unwrap_or_default()) }
        @else { (moment_or(schedule.upcoming.first().copied(), "never")) }
    }
}

pub async fn show(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Path(name): Path<String>,
    Query(said): Query<Said>,
) -> Answer {
    let schedule = schedules::show(&gate.pool, &name).await?;
    let fires = schedules::history(&gate.pool, &name, FIRES).await?;
    let content = html! {
        (said.note())
        (card("plan-title", "Plan", &plan(&schedule)))
        @if who.may_change(Role::Admin) { (actions(&schedule)) }
        (card("fires-title", "Fires, the newest first", &history(&fires)))
    };
    page(&gate, &who, PATH, &format!("Schedule {name}"), content).await
}

fn plan(schedule: &ScheduleView) -> Markup {
    let row = &schedule.row;
    facts(&[
        (
            "Job",
            html! { (row.kind) " in queue " (row.queue) ", priority " (row.priority) ", " (row.max_attempts) " attempts" },
        ),
        ("Cron", html! { code { (row.cron) } ", " (row.timezone) }),
        ("Missed", html! { (row.missed) }),
        ("Overlap", html! { (row.overlap) }),
        ("Clock changes", html! { "gap " (row.gap) ", fold " (row.fold) }),
        (
            "Paused",
            html! { @match row.paused_at {
                Some(at) => { "since " (moment(at)) ": " (row.paused_reason.as_deref().unwrap_or_default()) },
                None => "no"
            } },
        ),
        (
            "Last",
            html! { (moment_or(row.last_fire_at, "never")) " " (row.last_outcome.as_deref().unwrap_or_default()) },
        ),
        (
            if row.paused_at.is_some() { "Next, if resumed" } else { "Next" },
            html! {
                @if let Some(problem) = &schedule.problem { (problem) }
                ul { @for at in &schedule.upcoming { li { (moment(*at)) } } }
            },
        ),
    ])
}

fn actions(schedule: &ScheduleView) -> Markup {
    let to = |action: &str| format!("{PATH}/{}/{action}", part(&schedule.row.name));
    let force =
        html! { label { input type="checkbox" name="force" value="yes"; " even while an earlier job of it lives" } };
    html! {
        div .actions {
            (button(&to("run"), "Run now", &[], &force))
            @if schedule.row.paused_at.is_some() { (button(&to("resume"), "Resume", &[], &html! {})) }
            @else { (button(&to("pause"), "Pause", &[], &reason("pause-reason"))) }
        }
    }
}

fn history(fires: &[FireView]) -> Markup {
    let rows = html! {
        @for fire in fires { tr {
            th scope="row" { (moment(fire.fire_at)) @if fire.manual { " by hand" } }
            td { (fire.outcome) }
            td { @if let Some(id) = fire.job_id { a href={ "/operate/jobs/" (id) } { (id) } } }
            td { (fire.job_state.as_deref().unwrap_or_default()) }
            td { (moment_or(fire.job_finished_at, "")) }
            td .text { (fire.job_error.as_deref().unwrap_or_default()) }
        } }
    };
    html! {
        @if fires.is_empty() { p .empty-state { "It has not fired yet." } }
        @else { (table("Fires", &["For", "Outcome", "Job", "State", "Ended", "Error"], &rows)) }
    }
}

#[derive(Debug, Deserialize)]
pub struct Run {
    force: Option<String>,
}

pub async fn run(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path(name): Path<String>,
    Form(form): Form<Run>,
) -> Answer {
    let forced = form.force.is_some();
    let mut tx = gate.pool.begin().await?;
    let code = match schedules::run_now(&mut tx, &name, forced).await? {
        RunNow::Enqueued { job_id } => {
            let details = json!({ "job_id": job_id, "forced": forced });
            actor.record(&mut tx, "schedule.run", ("schedule", name.clone()), None, details).await?;
            "enqueued"
        }
        RunNow::StillLives { .. } => "still-lives",
    };
    tx.commit().await?;
    gate.means.tell_of_jobs(&gate.pool).await;
    Ok(back(&format!("{PATH}/{}", part(&name)), code))
}

pub async fn pause(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path(name): Path<String>,
    Form(form): Form<Reason>,
) -> Answer {
    let reason = form.given()?;
    let mut tx = gate.pool.begin().await?;
    let changed = schedules::pause(&mut tx, &name, reason).await?;
    if changed {
        actor.record(&mut tx, "schedule.pause", ("schedule", name.clone()), None, json!({ "reason": reason })).await?;
    }
    tx.commit().await?;
    Ok(back(&format!("{PATH}/{}", part(&name)), if changed { "paused" } else { "was-not" }))
}

pub async fn resume(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Path(name): Path<String>) -> Answer {
    let mut tx = gate.pool.begin().await?;
    let passed = schedules::resume(&mut tx, &name).await?;
    if let Some(passed) = passed {
        let details = json!({ "passed_by": passed });
        actor.record(&mut tx, "schedule.resume", ("schedule", name.clone()), None, details).await?;
    }
    tx.commit().await?;
    Ok(back(&format!("{PATH}/{}", part(&name)), if passed.is_some() { "resumed" } else { "was-not" }))
}
