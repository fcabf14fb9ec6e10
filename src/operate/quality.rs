//! `/operate/quality`: how complete and how correct the data are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use sqlx::PgConnection;
use tallyline_jobs::admin_log::COMMAND_LINE;
use uuid::Uuid;

use super::page::{Answer, Operator, Stop, card, facts, moment, moment_or, page, span, table};
use crate::accounts::guard::Gate;
use crate::dashboard::format::integer;

const PATH: &str = "/operate/quality";

/// Tenants, differences and accounts of a table at most.
const MOST: i64 = 200;

/// When a check of the roll-ups last ended well.
pub struct LastCheck {
    pub kind: &'static str,
    ended_at: Option<DateTime<Utc>>,
    age_seconds: Option<f64>,
}

impl LastCheck {
    pub fn text(&self) -> Markup {
        html! { (moment_or(self.ended_at, "not within the last 20,000 attempts"))
        @if self.age_seconds.is_some() { ", " (span(self.age_seconds)) " ago" } }
    }
}

/// The whole verification, and the samples.
pub async fn last_checks(db: &mut PgConnection) -> Result<Vec<LastCheck>, Stop> {
    let mut checks = Vec::new();
    for (kind, label) in [("verify_rollups", "Last verification"), ("audit_rollups", "Last sample")] {
        let found = sqlx::query_file!("sql/operate/last_check.sql", kind).fetch_one(&mut *db).await?;
        checks.push(LastCheck { kind: label, ended_at: found.ended_at, age_seconds: found.age_seconds });
    }
    Ok(checks)
}

struct Hour {
    hour: DateTime<Utc>,
    received: i64,
    quarantined: i64,
    is_over: bool,
}

/// Webhooks of hours that are over, as they were counted once: of two days there may be
/// a million, and no page reads them all each time. Every hour up to the newest is known.
#[derive(Clone, Default)]
pub struct HoursOver(Arc<Mutex<BTreeMap<DateTime<Utc>, i64>>>);

impl HoursOver {
    async fn read(&self, db: &mut PgConnection) -> Result<Vec<Hour>, sqlx::Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let from = known.keys().next_back().map_or(DateTime::UNIX_EPOCH, |newest| *newest + TimeDelta::hours(1));
        let mut hours = sqlx::query_file_as!(Hour, "sql/operate/event_hours.sql", from).fetch_all(db).await?;
        for hour in &mut hours {
            hour.received = known.get(&hour.hour).copied().unwrap_or(hour.received);
        }
        let over = hours.iter().filter(|hour| hour.is_over).map(|hour| (hour.hour, hour.received));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = over.collect();
        Ok(hours)
    }
}

struct Stuck {
    user_id: Uuid,
    name: String,
    under_a_day: i64,
    under_a_week: i64,
    older: i64,
}

struct Checked {
    user_id: Uuid,
    name: String,
    differences: i64,
    sampled: i64,
    newest: DateTime<Utc>,
    figures: String,
}

struct Gap {
    user_id: Uuid,
    name: String,
    provider: String,
    disabled_reason: Option<String>,
    reconciled_until: Option<DateTime<Utc>>,
    behind_seconds: Option<f64>,
    last_run_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    unknown: i64,
    refused: i64,
}

pub async fn show(State(gate): State<Arc<Gate>>, Operator(who): Operator) -> Answer {
    let mut db = gate.pool.acquire().await?;
    let checks = last_checks(&mut db).await?;
    let hours = gate.means.hours_over.read(&mut db).await?;
    let stuck = sqlx::query_file_as!(Stuck, "sql/operate/stuck_calls.sql", MOST).fetch_all(&mut *db).await?;
    let checked = sqlx::query_file_as!(Checked, "sql/operate/differences.sql", MOST).fetch_all(&mut *db).await?;
    let gaps = sqlx::query_file_as!(Gap, "sql/operate/reconcile_gaps.sql", MOST).fetch_all(&mut *db).await?;
    let without = sqlx::query_file!("sql/status/reconcile.sql", COMMAND_LINE).fetch_one(&mut *db).await?;
    drop(db);
    let content = html! {
        (card("checks-title", "Verification", &html! {
            (facts(&checks.iter().map(|check| (check.kind, check.text())).collect::<Vec<_>>()))
            (differences(&checked))
        }))
        (card("stuck-title", "Calls that have not ended", &stuck_table(&stuck)))
        (card("gaps-title", "Reconciliation with providers", &html! {
            (gap_table(&gaps))
            p .hint { (integer(without.tenants_without)) " active tenants have no provider account in use: nothing of theirs is reconciled." }
        }))
        (card("hours-title", "Events by hour, UTC", &hour_table(&hours)))
        (definitions())
    };
    page(&gate, &who, PATH, "Data quality", content).await
}

fn differences(checked: &[Checked]) -> Markup {
    let rows = html! {
        @for line in checked { tr {
            th scope="row" { a href={ "/operate/tenants/" (line.user_id) } { (line.name) } }
            td .n { (integer(line.differences)) } td .n { (integer(line.sampled)) }
            td { (moment(line.newest)) } td .text { (line.figures) }
        } }
    };
    html! {
        @if checked.is_empty() { p .empty-state { "No difference is kept of any tenant: what was checked agreed with the calls." } }
        @else { (table("Differences by tenant", &["Tenant", "#Differences", "#By samples", "Newest", "Figures"], &rows)) }
    }
}

fn stuck_table(stuck: &[Stuck]) -> Markup {
    let rows = html! {
        @for line in stuck { tr {
            th scope="row" { a href={ "/operate/tenants/" (line.user_id) } { (line.name) } }
            td .n { (integer(line.under_a_day)) } td .n { (integer(line.under_a_week)) } td .n { (integer(line.older)) }
        } }
    };
    html! {
        @if stuck.is_empty() { p .empty-state { "Every call that began more than two hours ago has ended." } }
        @else { (table("Calls that have not ended", &["Tenant", "#Today and yesterday", "#Within 7 days", "#Older"], &rows)) }
    }
}

fn gap_table(gaps: &[Gap]) -> Markup {
    let rows = html! {
        @for gap in gaps { tr {
            th scope="row" { a href={ "/operate/tenants/" (gap.user_id) } { (gap.name) } }
            td { (gap.provider) @if let Some(reason) = &gap.disabled_reason { " (out of use: " (reason) ")" } }
            td { (moment_or(gap.reconciled_until, "never")) } td .n { (span(gap.behind_seconds)) }
            td { (moment_or(gap.last_run_at, "never")) } td { (gap.last_error.as_deref().unwrap_or_default()) }
            td .n { (integer(gap.unknown)) } td .n { (integer(gap.refused)) }
        } }
    };
    let heads =
        ["Tenant", "Provider", "Read until", "#Behind", "Last run", "Error", "#Unknown calls", "#Refused answers"];
    html! {
        @if gaps.is_empty() { p .empty-state { "There is no provider account." } }
        @else { (table("Provider accounts", &heads, &rows)) }
    }
}

fn hour_table(hours: &[Hour]) -> Markup {
    let rows = html! {
        @for hour in hours { tr {
            th scope="row" { (moment(hour.hour)) }
            td .n { (integer(hour.received)) } td .n { (integer(hour.quarantined)) }
        } }
    };
    table("Events by hour", &["Hour from", "#Received", "#Quarantined"], &rows)
}

fn definitions() -> Markup {
    html! {
        details .definitions {
            summary { "What the figures mean" }
            dl {
                dt { "Received" } dd { "Distinct webhooks that were stored, by the hour of their receipt." }
                dt { "Duplicates" } dd { "Webhooks with a body that was stored before change nothing and are not kept; tallyline_events_duplicate_total of " a href="/metrics" { "the metrics" } " counts them." }
                dt { "Quarantined" } dd { "Put into quarantine in this hour and still there." }
                dt { "Calls that have not ended" } dd { "In progress by the roll-ups though they began more than two hours ago; by the local day of their start, the newest 90 days." }
                dt { "Differences" } dd { "Figures that a verification found unlike the calls; kept for a time after they were put right." }
                dt { "Behind" } dd { "How far the provider's list has been read." }
            }
        }
    }
}
