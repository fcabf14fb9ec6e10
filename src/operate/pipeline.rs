//! `/operate`: how data flow through, at a glance.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};
use tallyline_queue::admin::{self, JobLine, Listing, WorkerLine};

use super::page::{Answer, Operator, Stop, card, facts, live_page, moment, span, table, tile};
use super::quality::{self, LastCheck};
use crate::accounts::guard::Gate;
use crate::dashboard::format::{self, integer};
use crate::status::{self, Status};

/// Running jobs that are named.
const RUNNING: i64 = 100;

pub async fn show(State(gate): State<Arc<Gate>>, Operator(who): Operator) -> Answer {
    let status = status::collect(&gate.pool).await.map_err(|error| Stop::Database(error.to_string()))?;
    let mut db = gate.pool.acquire().await?;
    let rates = sqlx::query_file_as!(Rates, "sql/operate/rates.sql").fetch_one(&mut *db).await?;
    let workers = admin::workers(&mut db).await?;
    let running = running(&mut db, &status).await?;
    let checks = quality::last_checks(&mut db).await?;
    drop(db);
    let content = html! {
        (clock(&status))
        (flow(&status, &rates))
        (queues(&status))
        (leases(&workers, &running))
        (rest(&status, &checks))
        (definitions())
    };
    live_page(&gate, &who, "/operate", "Pipeline", content).await
}

/// What ended in the last five minutes.
struct Rates {
    jobs_ended: i64,
    jobs_failed: i64,
    marks: i64,
}

async fn running(db: &mut sqlx::PgConnection, status: &Status) -> Result<Vec<JobLine>, Stop> {
    let listing = Listing {
        state: admin::State::Running,
        kind: None,
        queue: None,
        tenant: None,
        since: status.at,
        since_for_all: false,
        limit: RUNNING,
        before: None,
    };
    Ok(admin::list(db, &listing).await?.jobs)
}

fn clock(status: &Status) -> Markup {
    html! {
        p .freshness {
            span .state { span .dot aria-hidden="true" {} span { "As of " strong { (moment(status.at)) } } }
            button .live type="button" id="live" hidden { "Pause updates" }
        }
    }
}

fn flow(status: &Status, rates: &Rates) -> Markup {
    let lag = status.tiers.iter().map(|tier| tier.lag_seconds).fold(0.0, f64::max);
    let dirty: i64 = status.tiers.iter().map(|tier| tier.dirty_buckets).sum();
    let inbox = status.inbox.ready + status.inbox.waiting;
    let analyses = status.analyses.due + status.analyses.claimed + status.analyses.retry;
    let quarantined: i64 = status.quarantine.iter().map(|q| q.events).sum();
    let dead: i64 = status.dead_jobs.iter().map(|d| d.dead).sum();
    html! {
        div .tiles {
            (tile("Inbox", &integer(inbox), &format!("{} ready, {} wait; oldest {}", integer(status.inbox.ready),
                integer(status.inbox.waiting), span(status.inbox.oldest_seconds)),
                "Webhooks acknowledged that no call shows yet; waiting ones wait for the execution of their call."))
            (tile("Marks", &integer(rates.marks), &format!("{} buckets", integer(dirty)),
                "Marks on buckets of the roll-ups that are to be recomputed."))
            (tile("Roll-up lag", &format::duration(lag as i64), "age of the oldest mark",
                "For how long the oldest mark has waited to be recomputed; 0 when none waits."))
            (tile("Leads", &integer(analyses), &format!("{} folds, {} over the day's budget", integer(status.analyses.folds),
                integer(status.analyses.spending_cap)),
                "Analyses of calls and contacts that are due, under way or to be tried again."))
            (tile("Notifications", &integer(status.notifications.pending), &format!("{} failed; oldest due {}",
                integer(status.notifications.failed), span(status.notifications.oldest_due_seconds)),
                "Deliveries still to come to endpoints that are enabled."))
            (tile("Jobs ended", &integer(rates.jobs_ended), &format!("in 5 min, {} of them unsuccessful", integer(rates.jobs_failed)),
                "Attempts of jobs that ended in the last five minutes."))
            a href="/operate/jobs?state=dead" { (tile("Dead letters", &integer(dead), "to be replayed or discarded",
                "Jobs that used up their attempts.")) }
            a href="/operate/quarantine" { (tile("Quarantine", &integer(quarantined), "by reason there",
                "Events that could not be applied, and bodies refused at the door.")) }
        }
    }
}

fn queues(status: &Status) -> Markup {
    let rows = html! {
        @for queue in &status.queues { tr {
            th scope="row" { a href={ "/operate/jobs?queue=" (queue.queue) } { (queue.queue) } @if queue.paused { " (paused)" } }
            td .n { (integer(queue.ready)) } td .n { (integer(queue.waiting)) } td .n { (integer(queue.running)) }
            td .n { (span(queue.oldest_ready_seconds)) }
        } }
    };
    let content = html! {
        @if status.queues.is_empty() { p .empty-state { "No job waits or runs." } }
        @else { (table("Jobs by queue", &["Queue", "#Waiting", "#Delayed", "#Running", "#Oldest"], &rows)) }
    };
    card("queues-title", "Jobs by queue", &content)
}

fn leases(workers: &[WorkerLine], running: &[JobLine]) -> Markup {
    let rows = html! {
        @for worker in workers { tr {
            th scope="row" { (worker.label) }
            td { @if worker.alive { "alive" } @else { "silent: its jobs are taken back" } }
            td .n { (format::duration(worker.beat_age_seconds as i64)) }
            td .n { (integer(worker.held)) }
            td {
                @for job in running.iter().filter(|job| job.process.as_deref() == Some(&worker.label)).take(10) {
                    a href={ "/operate/jobs/" (job.job_id) } { (job.kind) } " "
                }
            }
        } }
    };
    let content = html! {
        @if workers.is_empty() { p .empty-state { "No process takes jobs." } }
        @else { (table("Processes", &["Process", "Lease", "#Last beat", "#Jobs", "Runs"], &rows)) }
    };
    card("leases-title", "Processes and what they run", &content)
}

fn rest(status: &Status, checks: &[LastCheck]) -> Markup {
    let snapshot = match (&status.vacuum.oldest_snapshot_seconds, &status.vacuum.oldest_snapshot_holder) {
        (Some(seconds), Some(holder)) => format!("{} by {holder}", format::duration(*seconds as i64)),
        (Some(seconds), None) => format::duration(*seconds as i64),
        _ => format::NONE.to_owned(),
    };
    let tiers = status.tiers.iter().map(|tier| {
        let failing =
            if tier.failing_buckets > 0 { format!(", {} failing", tier.failing_buckets) } else { String::new() };
        let text = format!(
            "{} dirty, lag {}{failing}",
            integer(tier.dirty_buckets),
            format::duration(tier.lag_seconds as i64)
        );
        (tier.tier, html! { (text) })
    });
    let mut lines: Vec<(&str, Markup)> = tiers.collect();
    for check in checks {
        lines.push((check.kind, check.text()));
    }
    lines.push(("Differences kept", html! { a href="/operate/quality" { "Data quality" } }));
    lines.push(("Oldest snapshot", html! { (snapshot) }));
    lines.push(("Dead rows of the queue", html! { (integer(status.vacuum.dead_rows)) }));
    lines.push(("Backfills under way", html! { a href="/operate/backfills" { (status.backfills.len()) } }));
    lines.push(("Provider accounts", html! {
        (integer(status.reconcile.accounts_in_use)) " in use, " (integer(status.reconcile.accounts_failing)) " failing; read until "
        (span(status.reconcile.oldest_watermark_seconds)) " ago"
    }));
    card("rest-title", "Roll-ups, verification, database", &facts(&lines))
}

fn definitions() -> Markup {
    html! {
        details .definitions {
            summary { "What the figures mean" }
            dl {
                dt { "Oldest" } dd { "For how long the oldest job that is due has been due; of the inbox, since its oldest webhook came." }
                dt { "Dirty" } dd { "Buckets with at least one mark: the next roll-up recomputes them." }
                dt { "Lease" } dd { "A process that is silent for too long is taken for dead, and its jobs are taken back." }
                dt { "Last verification" } dd { "When a check of the roll-ups against the calls last ended well." }
                dt { "Oldest snapshot" } dd { "The oldest transaction that keeps dead rows from being vacuumed away." }
            }
        }
    }
}
