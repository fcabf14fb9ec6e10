//! `/operate/jobs`: what waits, runs, has ended, has died; one job with its
//! attempts; retry, cancel, discard.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use chrono::TimeDelta;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use tallyline_queue::admin::{self, Attempt, JobDetails, JobLine, Letter, Listing, LiveJob, Standing};
use tallyline_queue::store::{self, Cancelled};

use super::page::{
    Answer, AsAdmin, LINES, Operator, Reason, Said, Stop, address, back, button, card, choice, facts, filled, line,
    moment, more, page, reason, table, tenant, tenant_id,
};
use crate::accounts::Role;
use crate::accounts::guard::Gate;
use crate::dashboard::format::{self, integer};

const PATH: &str = "/operate/jobs";

/// Attempts that a job's page shows.
const ATTEMPTS: i64 = 50;
/// How far back the history is looked at, in hours.
const HOURS: i64 = 24;
const MAX_HOURS: i64 = 24 * 366;

/// Which jobs; everything is optional.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    pub state: Option<String>,
    pub kind: Option<String>,
    pub queue: Option<String>,
    pub tenant: Option<String>,
    hours: Option<String>,
    before: Option<String>,
}

impl Asked {
    pub fn filters(&self) -> [(&str, Option<&str>); 4] {
        [
            ("state", filled(self.state.as_ref())),
            ("kind", filled(self.kind.as_ref())),
            ("queue", filled(self.queue.as_ref())),
            ("tenant", filled(self.tenant.as_ref())),
        ]
    }

    fn hours(&self) -> Result<i64, Stop> {
        match filled(self.hours.as_ref()) {
            None => Ok(HOURS),
            Some(text) => text
                .parse()
                .ok()
                .filter(|hours| (1..=MAX_HOURS).contains(hours))
                .ok_or(Stop::refused("The history is looked at for 1 to 8784 hours.")),
        }
    }
}

pub async fn list(State(gate): State<Arc<Gate>>, Operator(who): Operator, Query(asked): Query<Asked>) -> Answer {
    let word = filled(asked.state.as_ref()).unwrap_or("live");
    let state = word.parse::<admin::State>().map_err(|error| Stop::Refused(error.to_string()))?;
    let mut db = gate.pool.acquire().await?;
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *db).await?;
    let hours = asked.hours()?;
    let listing = Listing {
        state,
        kind: filled(asked.kind.as_ref()).map(str::to_owned),
        queue: filled(asked.queue.as_ref()).map(str::to_owned),
        tenant: tenant_id(asked.tenant.as_ref())?,
        since: now - TimeDelta::hours(hours),
        since_for_all: false,
        limit: LINES,
        before: filled(asked.before.as_ref()).map(str::to_owned),
    };
    let found = admin::list(&mut db, &listing).await?;
    drop(db);
    let next = found.next.as_deref().map(|place| {
        let hours = hours.to_string();
        let mut filters = asked.filters().to_vec();
        filters.extend([("hours", Some(hours.as_str())), ("before", Some(place))]);
        address(PATH, &filters)
    });
    let content = html! {
        (filter_form(&asked, state, hours))
        (lines(&found.jobs, state))
        @if state.is_history() {
            p .hint { "Attempts that ended within " (hours) " h"
                @if let Some(looked) = found.looked_at { "; " (integer(looked)) " were looked at for this page" } "." }
        }
        (more(next))
        @if who.may_change(Role::Admin) { (many(&asked, state)) }
    };
    page(&gate, &who, PATH, "Jobs", content).await
}

fn filter_form(asked: &Asked, state: admin::State, hours: i64) -> Markup {
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    html! {
        form .filters method="get" action=(PATH) {
            (choice("f-state", "state", "State", None, &admin::State::WORDS, Some(state.as_str())))
            (line("f-kind", "kind", "Kind", &value(&asked.kind)))
            (line("f-queue", "queue", "Queue", &value(&asked.queue)))
            (line("f-tenant", "tenant", "Tenant", &value(&asked.tenant)))
            @if state.is_history() { (line("f-hours", "hours", "Hours back", &hours.to_string())) }
            button type="submit" { "Show" }
        }
    }
}

/// Jobs or attempts in a table.
pub fn lines(jobs: &[JobLine], state: admin::State) -> Markup {
    let at = match state {
        admin::State::Dead => "Died",
        admin::State::Ended(_) => "Ended",
        admin::State::Running => "Began",
        _ => "Due or began",
    };
    let rows = html! {
        @for job in jobs { tr {
            th scope="row" { a href={ (PATH) "/" (job.job_id) } { (job.job_id) } }
            td { (job.kind) } td { (job.queue) } td { (tenant(job.tenant)) } td { (job.state) }
            td .n { (job.attempt) @if let Some(most) = job.max_attempts { " of " (most) } }
            td { (moment(job.at)) }
            td .n { @match job.duration_ms { Some(ms) => { (integer(ms)) " ms" }, None => (format::NONE) } }
            td .text { (job.error.as_deref().unwrap_or_default()) }
        } }
    };
    let heads = ["Job", "Kind", "Queue", "Tenant", "State", "#Attempt", at, "#Took", "Error"];
    html! {
        @if jobs.is_empty() { p .empty-state { "Nothing matches." } }
        @else { (table("Jobs", &heads, &rows)) }
    }
}

/// Ways to change all that the filters name.
fn many(asked: &Asked, state: admin::State) -> Markup {
    let whats: &[(&str, &str)] = match state {
        admin::State::Dead => &[("replay", "Replay all of these …"), ("discard", "Discard all of these …")],
        admin::State::Ended(_) => &[],
        _ => &[("cancel", "Cancel all of these …"), ("due-now", "Make retries among these due now …")],
    };
    let ways = whats.iter().map(|(what, label)| {
        let mut filters = asked.filters().to_vec();
        filters.push(("what", Some(*what)));
        (address("/operate/jobs/many", &filters), *label)
    });
    html! { @if !whats.is_empty() { p .more { @for (to, label) in ways { a href=(to) { (label) } " " } } } }
}

pub async fn show(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Answer {
    let id = number(&id)?;
    let details = admin::show(&mut *gate.pool.acquire().await?, id, ATTEMPTS).await?.ok_or(Stop::NotFound)?;
    let content = html! {
        (said.note())
        @if let Some(live) = &details.live { (card("live-title", "As it lives", &live_facts(live))) }
        @for letter in &details.letters { (letter_card(letter)) }
        @if let Some(trace) = details.trace_id() { p .hint { "Trace " code { (trace) } } }
        @if who.may_change(Role::Admin) { (actions(&details)) }
        (attempts(&details.attempts))
        @if let Some(payload) = details.payload() {
            details { summary { "Payload" } pre { (format!("{payload:#}")) } }
        }
    };
    page(&gate, &who, PATH, &format!("Job {id}"), content).await
}

fn number(text: &str) -> Result<i64, Stop> {
    text.parse().ok().filter(|id| *id > 0).ok_or(Stop::NotFound)
}

fn live_facts(live: &LiveJob) -> Markup {
    let mut lines = vec![
        ("State", html! { (live.state) @if live.paused { ", paused" } }),
        ("Kind", html! { (live.kind) " in queue " (live.queue) }),
        ("Tenant", tenant(live.tenant)),
        ("Enqueued", moment(live.queued_at)),
        (
            "Attempts",
            html! {
                (live.attempt) " of " (live.max_attempts) ", " (live.claims) " claims, " (live.lost) " lost"
            },
        ),
        ("Priority", html! { (live.priority) }),
    ];
    match (live.claimed_at, live.deadline_at) {
        (Some(claimed), Some(deadline)) => {
            lines.push(("Runs since", html! { (moment(claimed)) ", until " (moment(deadline)) " at the latest" }));
            lines.push(("Process", html! { (live.process.as_deref().unwrap_or("one whose lease is gone")) }));
        }
        _ => lines.push(("Due", moment(live.run_at))),
    }
    if let Some(key) = &live.coalesce_key {
        lines.push((
            "Coalesced",
            html! { "by key " code { (key) } "; " (live.requests_open) " requests not answered yet" },
        ));
    }
    if let Some(key) = &live.unique_key {
        lines.push((
            "Unique",
            html! { "key " code { (key) } ", while " (live.unique_scope.as_deref().unwrap_or_default()) },
        ));
    }
    if let Some(at) = live.cancel_requested_at {
        let reason = live.cancel_reason.as_deref().unwrap_or_default();
        lines.push(("Cancelling", html! { "asked for at " (moment(at)) ": " (reason) }));
    }
    if let Some(error) = &live.last_error {
        lines.push(("Last error", html! { (error) }));
    }
    facts(&lines)
}

fn letter_card(letter: &Letter) -> Markup {
    let lines = [
        ("Died", moment(letter.dead_at)),
        ("Reason", html! { (letter.reason) }),
        ("Kind", html! { (letter.kind) " in queue " (letter.queue) }),
        ("Tenant", tenant(letter.tenant)),
        ("Attempts", html! { (letter.attempts) " of " (letter.max_attempts) ", " (letter.claims) " claims" }),
    ];
    card(&format!("letter-{}", letter.dead_id), &format!("Dead letter {}", letter.dead_id), &facts(&lines))
}

fn actions(details: &JobDetails) -> Markup {
    let path = |action: &str| format!("{PATH}/{}/{action}", details.job_id);
    html! {
        div .actions {
            @if !details.letters.is_empty() {
                (button(&path("retry"), "Replay", &[], &html! {}))
                (button(&path("discard"), "Discard", &[], &reason("discard-reason")))
            }
            @if let Some(live) = &details.live {
                @if details.letters.is_empty() && live.state == "delayed" { (button(&path("retry"), "Retry now", &[], &html! {})) }
                (button(&path("cancel"), "Cancel", &[], &reason("cancel-reason")))
            }
        }
    }
}

fn attempts(attempts: &[Attempt]) -> Markup {
    let rows = html! {
        @for attempt in attempts { tr {
            th scope="row" { (attempt.claim) } td .n { (attempt.attempt) } td { (attempt.outcome) }
            td { (moment(attempt.finished_at)) }
            td .n { @match attempt.duration_ms { Some(ms) => { (integer(ms)) " ms" }, None => (format::NONE) } }
            td { (attempt.process.as_deref().unwrap_or_default()) }
            td .text { (attempt.error.as_deref().unwrap_or_default()) }
        } }
    };
    let content = html! {
        @if attempts.is_empty() { p .empty-state { "No attempt has ended yet, or history does not keep it any more." } }
        @else {
            (table("Attempts", &["Claim", "#Attempt", "Outcome", "Ended", "#Took", "Process", "Error"], &rows))
            @for attempt in attempts {
                @if let Some(log) = &attempt.log {
                    details { summary { "Log of claim " (attempt.claim) } pre { (log) } }
                }
            }
        }
    };
    card("attempts-title", "Attempts, the newest first", &content)
}

pub async fn retry(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Path(id): Path<String>) -> Answer {
    let job = number(&id)?;
    let mut tx = gate.pool.begin().await?;
    let standing = standing(&mut tx, job).await?;
    let code = if standing.letters.is_empty() {
        match standing.live.as_deref() {
            Some("running") => "runs",
            Some("waiting") => "is-due",
            None => "ended",
            Some(_) => match admin::due_now(&mut tx, &[job]).await?.pop() {
                None => "busy",
                Some(changed) => {
                    let resource = ("job", job.to_string());
                    actor.record(&mut tx, "job.due_now", resource, changed.tenant, json!({})).await?;
                    "due-now"
                }
            },
        }
    } else {
        let replayed = admin::replay(&mut tx, &standing.letters).await?;
        match replayed.last() {
            None => "busy",
            Some(last) => {
                let details = json!({ "letters": replayed.len(), "now": last.now_id });
                actor.record(&mut tx, "job.replay", ("job", job.to_string()), last.tenant, details).await?;
                if last.now_id != job || standing.live.is_some() { "joined" } else { "replayed" }
            }
        }
    };
    tx.commit().await?;
    gate.means.tell_of_jobs(&gate.pool).await;
    Ok(back(&format!("{PATH}/{job}"), code))
}

pub async fn cancel(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path(id): Path<String>,
    Form(form): Form<Reason>,
) -> Answer {
    let (job, reason) = (number(&id)?, form.given()?);
    let mut tx = gate.pool.begin().await?;
    let standing = standing(&mut tx, job).await?;
    let code = match store::cancel_many(&mut *tx, &[job], reason).await?.first() {
        Some(cancelled) => {
            let ran = cancelled.became == Cancelled::Requested;
            let details = json!({ "reason": reason, "ran": ran });
            actor.record(&mut tx, "job.cancel", ("job", job.to_string()), cancelled.tenant, details).await?;
            if ran { "requested" } else { "removed" }
        }
        None if standing.live.is_some() => "busy",
        None if !standing.letters.is_empty() => "is-dead",
        None => "ended",
    };
    tx.commit().await?;
    gate.means.tell_of_cancels(&gate.pool).await;
    Ok(back(&format!("{PATH}/{job}"), code))
}

pub async fn discard(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path(id): Path<String>,
    Form(form): Form<Reason>,
) -> Answer {
    let (job, reason) = (number(&id)?, form.given()?);
    let mut tx = gate.pool.begin().await?;
    let standing = standing(&mut tx, job).await?;
    let gone = admin::discard(&mut tx, &standing.letters, reason).await?;
    let code = match gone.last() {
        Some(last) => {
            let details = json!({ "reason": reason, "letters": gone.len() });
            actor.record(&mut tx, "job.discard", ("job", job.to_string()), last.tenant, details).await?;
            "discarded"
        }
        None if !standing.letters.is_empty() => "busy",
        None if standing.live.is_some() => "lives",
        None => "ended",
    };
    tx.commit().await?;
    Ok(back(&format!("{PATH}/{job}"), code))
}

/// How a job stands that something knows.
async fn standing(db: &mut PgConnection, job: i64) -> Result<Standing, Stop> {
    let standing = admin::standing(db, &[job]).await?.pop();
    standing.filter(|s| s.live.is_some() || !s.letters.is_empty() || s.last_outcome.is_some()).ok_or(Stop::NotFound)
}
