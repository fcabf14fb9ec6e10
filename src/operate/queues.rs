//! `/operate/queues`: counts, ages, caps; pause and resume; who serves them.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tallyline_queue::Queue;
use tallyline_queue::admin::{self, PausedKind, QueueLine, WorkerLine};

use super::page::{
    Answer, AsAdmin, Operator, Reason, Said, Stop, back, button, card, choice, filled, moment, page, part, reason,
    span, table,
};
use crate::accounts::guard::Gate;
use crate::accounts::{Principal, Role};
use crate::dashboard::format::{self, integer};

const PATH: &str = "/operate/queues";

fn registry() -> Result<tallyline_queue::Registry<tallyline_jobs::Deps>, Stop> {
    Ok(tallyline_jobs::registry()?)
}

pub async fn show(State(gate): State<Arc<Gate>>, Operator(who): Operator, Query(said): Query<Said>) -> Answer {
    let registry = registry()?;
    let mut db = gate.pool.acquire().await?;
    let queues = admin::queues(&mut db, &registry.queues()).await?;
    let paused = admin::paused_kinds(&mut db).await?;
    let workers = admin::workers(&mut db).await?;
    drop(db);
    let kinds: Vec<&str> = registry.kinds().collect();
    let content = html! {
        (said.note())
        @for (place, queue) in queues.iter().enumerate() { (queue_card(queue, place, &who)) }
        (kinds_card(&paused, &kinds, &who))
        (workers_card(&workers))
    };
    page(&gate, &who, PATH, "Queues", content).await
}

fn queue_card(queue: &QueueLine, place: usize, who: &Principal) -> Markup {
    let to = |action: &str| format!("{PATH}/{}/{action}", part(&queue.queue));
    let jobs = |state: &str, count: i64| html! { a href={ "/operate/jobs?state=" (state) "&queue=" (part(&queue.queue)) } { (integer(count)) } };
    let lines = [
        ("Waiting", jobs("waiting", queue.waiting)),
        ("Delayed", jobs("delayed", queue.delayed)),
        ("Running", jobs("running", queue.running)),
        ("Oldest", html! { (span(queue.oldest_seconds)) }),
        ("Cap", html! { @match queue.tenant_cap { Some(cap) => { (cap) " of a tenant at once" }, None => "none" } }),
        (
            "Paused",
            html! { @match queue.paused_at {
                Some(at) => { "since " (moment(at)) ": " (queue.paused_reason.as_deref().unwrap_or_default()) },
                None => "no"
            } },
        ),
        ("Served by", html! { @if queue.processes.is_empty() { "nobody" } @else { (queue.processes.join(", ")) } }),
    ];
    let cap = queue.tenant_cap.map(|cap| cap.to_string()).unwrap_or_default();
    let content = html! {
        (super::page::facts(&lines))
        @if who.may_change(Role::Admin) {
            div .actions {
                @if queue.paused_at.is_some() { (button(&to("resume"), "Resume", &[], &html! {})) }
                @else { (button(&to("pause"), "Pause", &[], &reason(&format!("pause-{place}")))) }
                (button(&to("cap"), "Set the cap", &[], &super::page::line(&format!("cap-{place}"), "cap", "Jobs of a tenant at once; empty for no cap", &cap)))
            }
        }
    };
    card(&format!("queue-{place}"), &queue.queue, &content)
}

fn kinds_card(paused: &[PausedKind], kinds: &[&str], who: &Principal) -> Markup {
    let rows = html! {
        @for kind in paused { tr {
            th scope="row" { (kind.kind) } td { (moment(kind.paused_at)) } td .text { (kind.reason) }
            td { @if who.may_change(Role::Admin) {
                (button(&format!("/operate/kinds/{}/resume", part(&kind.kind)), "Resume", &[], &html! {}))
            } }
        } }
    };
    let fields = html! { (choice("kind", "kind", "Kind", None, kinds, None)) (reason("kind-reason")) };
    let content = html! {
        @if paused.is_empty() { p .empty-state { "No kind is paused." } }
        @else { (table("Paused kinds", &["Kind", "Since", "Reason", ""], &rows)) }
        @if who.may_change(Role::Admin) { div .actions { (button("/operate/kinds/pause", "Pause a kind", &[], &fields)) } }
    };
    card("kinds-title", "Paused kinds", &content)
}

fn workers_card(workers: &[WorkerLine]) -> Markup {
    let rows = html! {
        @for worker in workers { tr {
            th scope="row" { (worker.label) } td { (worker.queues.join(", ")) }
            td { @if worker.alive { "alive" } @else { "silent: its jobs are taken back" } }
            td .n { (format::duration(worker.age_seconds as i64)) }
            td .n { (format::duration(worker.beat_age_seconds as i64)) " ago" }
            td .n { (integer(worker.held)) } td { code { (worker.lease_id) } }
        } }
    };
    let content = html! {
        @if workers.is_empty() { p .empty-state { "No process takes jobs." } }
        @else { (table("Processes", &["Process", "Queues", "State", "#Up", "#Last beat", "#Jobs", "Lease"], &rows)) }
    };
    card("workers-title", "Processes", &content)
}

/// Fails unless the queue is known, by its jobs or by who serves it.
async fn known(db: &mut sqlx::PgConnection, queue: &str) -> Result<QueueLine, Stop> {
    let lines = admin::queues(db, &registry()?.queues()).await?;
    lines.into_iter().find(|line| line.queue == queue).ok_or(Stop::NotFound)
}

fn known_kind(kind: &str) -> Result<(), Stop> {
    if registry()?.kinds().any(|known| known == kind) { Ok(()) } else { Err(Stop::NotFound) }
}

pub async fn pause(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path(name): Path<String>,
    Form(form): Form<Reason>,
) -> Answer {
    let reason = form.given()?;
    let mut tx = gate.pool.begin().await?;
    let before = known(&mut tx, &name).await?;
    Queue::new().pause(&mut tx, &name, reason).await?;
    let details =
        json!({ "before": { "paused": before.paused_at.is_some() }, "after": { "paused": true }, "reason": reason });
    actor.record(&mut tx, "queue.pause", ("queue", name), None, details).await?;
    tx.commit().await?;
    Ok(back(PATH, "paused"))
}

pub async fn resume(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Path(name): Path<String>) -> Answer {
    let mut tx = gate.pool.begin().await?;
    known(&mut tx, &name).await?;
    let was_paused = Queue::new().resume(&mut tx, &name).await?;
    if was_paused {
        let details = json!({ "before": { "paused": true }, "after": { "paused": false } });
        actor.record(&mut tx, "queue.resume", ("queue", name), None, details).await?;
    }
    tx.commit().await?;
    gate.means.tell_of_jobs(&gate.pool).await;
    Ok(back(PATH, if was_paused { "resumed" } else { "was-not" }))
}

#[derive(Debug, Deserialize)]
pub struct Cap {
    cap: Option<String>,
}

pub async fn cap(
    State(gate): State<Arc<Gate>>,
    AsAdmin(actor): AsAdmin,
    Path(name): Path<String>,
    Form(form): Form<Cap>,
) -> Answer {
    let cap = match filled(form.cap.as_ref()) {
        None => None,
        // Each is a row per tenant.
        Some(text) => Some(
            text.parse::<i32>()
                .ok()
                .filter(|cap| (1..=1_000).contains(cap))
                .ok_or(Stop::refused("A cap is a number from 1 to 1000."))?,
        ),
    };
    let mut tx = gate.pool.begin().await?;
    let before = known(&mut tx, &name).await?.tenant_cap;
    Queue::new().cap_tenants(&mut tx, &name, cap).await?;
    let details = json!({ "before": before, "after": cap });
    actor.record(&mut tx, "queue.cap", ("queue", name), None, details).await?;
    tx.commit().await?;
    gate.means.tell_of_jobs(&gate.pool).await;
    Ok(back(PATH, "done"))
}

#[derive(Debug, Deserialize)]
pub struct PauseKind {
    kind: String,
    reason: Option<String>,
}

pub async fn pause_kind(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Form(form): Form<PauseKind>) -> Answer {
    let reason = filled(form.reason.as_ref()).ok_or(Stop::refused("Say why."))?;
    known_kind(&form.kind)?;
    let mut tx = gate.pool.begin().await?;
    Queue::new().pause_kind(&mut tx, &form.kind, reason).await?;
    actor.record(&mut tx, "kind.pause", ("kind", form.kind.clone()), None, json!({ "reason": reason })).await?;
    tx.commit().await?;
    Ok(back(PATH, "paused"))
}

pub async fn resume_kind(State(gate): State<Arc<Gate>>, AsAdmin(actor): AsAdmin, Path(name): Path<String>) -> Answer {
    let mut tx = gate.pool.begin().await?;
    let was_paused = Queue::new().resume_kind(&mut tx, &name).await?;
    if was_paused {
        actor.record(&mut tx, "kind.resume", ("kind", name), None, json!({})).await?;
    }
    tx.commit().await?;
    gate.means.tell_of_jobs(&gate.pool).await;
    Ok(back(PATH, if was_paused { "resumed" } else { "was-not" }))
}
