//! `/operate/tenants`: who there is, with balance, endpoints and activity; a new
//! secret for an endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tallyline_model::Provider;
use uuid::Uuid;

use super::page::{
    Answer, AsSuperAdmin, LINES, Operator, Said, Stop, address, button, card, facts, filled, line, moment, moment_or,
    more, page, table,
};
use crate::accounts::guard::Gate;
use crate::accounts::{Principal, Role};
use crate::dashboard::format::{self, integer, micros};
use crate::dashboard::layout::tenant_page;
use crate::tenants::{self, EndpointRow, TenantError};

const PATH: &str = "/operate/tenants";

/// Hours that the secret before a rotation is still accepted, unless told.
const OVERLAP_HOURS: u64 = 24;

impl From<TenantError> for Stop {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Database(error) => error.into(),
            TenantError::UnknownTenant | TenantError::NoEndpoint(_) => Stop::NotFound,
            other => Stop::Refused(other.to_string()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    q: Option<String>,
    after: Option<String>,
    id: Option<Uuid>,
}

struct Tenant {
    id: Uuid,
    name: String,
    email: String,
    timezone: String,
    currency: String,
    credits_micros: i64,
    is_active: bool,
    last_hour: Option<DateTime<Utc>>,
}

pub async fn list(State(gate): State<Arc<Gate>>, Operator(who): Operator, Query(asked): Query<Asked>) -> Answer {
    let (after, id) = (asked.after.as_deref().unwrap_or_default(), asked.id.unwrap_or(Uuid::nil()));
    let q = filled(asked.q.as_ref());
    let all =
        sqlx::query_file_as!(Tenant, "sql/operate/tenants.sql", after, id, q, LINES).fetch_all(&gate.pool).await?;
    let full = i64::try_from(all.len()).is_ok_and(|lines| lines >= LINES);
    let next = all.last().filter(|_| full).map(|last| {
        let id = last.id.to_string();
        address(PATH, &[("q", q), ("after", Some(&last.name)), ("id", Some(&id))])
    });
    let content = html! {
        form .filters method="get" action=(PATH) {
            (line("t-q", "q", "Name or e-mail holds", q.unwrap_or_default()))
            button type="submit" { "Show" }
        }
        (lines(&all))
        (more(next))
        @if who.account.role == Role::SuperAdmin { p .more { a href="/operate/accounts" { "Accounts" } } }
    };
    page(&gate, &who, PATH, "Tenants", content).await
}

fn lines(all: &[Tenant]) -> Markup {
    let rows = html! {
        @for tenant in all { tr {
            th scope="row" { a href={ (PATH) "/" (tenant.id) } { (tenant.name) } @if !tenant.is_active { " (inactive)" } }
            td .text { (tenant.email) } td { (tenant.timezone) } td .n { (micros(tenant.credits_micros, 2)) } td { (tenant.currency) }
            td { (moment_or(tenant.last_hour, "never")) }
        } }
    };
    html! {
        @if all.is_empty() { p .empty-state { "Nothing matches." } }
        @else { (table("Tenants", &["Tenant", "E-mail", "Zone", "#Credits", "Currency", "Last hour with calls"], &rows)) }
    }
}

pub async fn show(
    State(gate): State<Arc<Gate>>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    let mut db = gate.pool.acquire().await?;
    let tenant =
        sqlx::query_file!("sql/operate/tenant.sql", id).fetch_optional(&mut *db).await?.ok_or(Stop::NotFound)?;
    let endpoints = tenants::list_endpoints(&mut db, id).await?;
    let days = sqlx::query_file!("sql/operate/tenant_days.sql", id).fetch_all(&mut *db).await?;
    drop(db);
    let of_tenant = |path: &str| address(path, &[("tenant", Some(&id.to_string()))]);
    let state = [
        ("Id", html! { code { (id) } }),
        ("E-mail", html! { (tenant.email) }),
        ("State", html! { @if tenant.is_active { "active" } @else { "inactive" } }),
        ("Zone", html! { (tenant.timezone) }),
        ("Balance", html! { (micros(tenant.credits_micros, 2)) " credits" }),
        (
            "Price",
            html! { (micros(tenant.credits_per_minute_micros, 2)) " credits a minute, in steps of " (tenant.billing_pulse_seconds) " s; money in " (tenant.currency) },
        ),
        ("Agents", html! { (integer(tenant.agents)) }),
        ("Since", moment(tenant.created_at)),
        ("Last sign-in", moment_or(tenant.last_login, "never")),
        ("Inbox", html! { (integer(tenant.inbox)) " to be applied" }),
        ("Quarantine", html! { a href=(of_tenant("/operate/quarantine")) { (integer(tenant.quarantined)) } }),
        ("Marks", html! { (integer(tenant.marks)) }),
        (
            "Jobs",
            html! { a href=(of_tenant("/operate/jobs")) { "live" } ", " a href=(format!("{}&state=dead", of_tenant("/operate/jobs"))) { "dead" } },
        ),
        ("Changes", html! { a href=(of_tenant("/operate/audit")) { "audit log" } }),
        ("Pages", html! { a href=(tenant_page(id, "")) { "Overview" } }),
    ];
    let rows = html! {
        @for day in &days { tr {
            th scope="row" { (day.date) } td .n { (integer(day.calls)) } td .n { (integer(day.successful)) }
            td .n { (integer(day.in_progress)) } td .n { (micros(day.credits_micros, 2)) }
        } }
    };
    let activity = html! {
        @if days.is_empty() { p .empty-state { "It has had no call yet." } }
        @else { (table("Days", &["Day", "#Calls", "#Answered", "#In progress", "#Credits"], &rows)) }
    };
    let content = html! {
        (said.note())
        (card("state-title", "State", &facts(&state)))
        (card("endpoints-title", "Endpoints", &endpoint_table(&gate, &who, id, &endpoints)))
        (card("days-title", "The newest days with calls", &activity))
    };
    page(&gate, &who, PATH, &tenant.name, content).await
}

fn endpoint_table(gate: &Gate, who: &Principal, id: Uuid, endpoints: &[EndpointRow]) -> Markup {
    let may = who.may_change(Role::SuperAdmin) && gate.means.sealing_key.is_some();
    let rows = html! {
        @for endpoint in endpoints { tr {
            th scope="row" { (endpoint.provider) @if endpoint.disabled_at.is_some() { " (out of use)" } }
            td { code { "/webhooks/" (endpoint.provider) "/" (endpoint.endpoint) } }
            td { @match &endpoint.allowed_ips { Some(allowed) => (allowed.join(", ")), None => "everywhere" } }
            td { (moment_or(endpoint.previous_expires_at, format::NONE)) }
            td { @if may { (rotation(id, &endpoint.provider)) } }
        } }
    };
    html! {
        @if endpoints.is_empty() { p .empty-state { "It has no endpoint." } }
        @else { (table("Endpoints", &["Provider", "Address", "May be sent from", "Old secret until", ""], &rows)) }
    }
}

fn rotation(id: Uuid, provider: &str) -> Markup {
    let field = format!("overlap-{provider}");
    let hours = line(&field, "overlap_hours", "Hours that the old one is accepted", &OVERLAP_HOURS.to_string());
    button(&format!("{PATH}/{id}/rotate/{provider}"), "New secret", &[], &hours)
}

#[derive(Debug, Deserialize)]
pub struct Rotation {
    overlap_hours: Option<String>,
}

/// Makes a new secret and shows it, this once.
pub async fn rotate(
    State(gate): State<Arc<Gate>>,
    AsSuperAdmin(actor): AsSuperAdmin,
    Path((id, provider)): Path<(String, String)>,
    Form(form): Form<Rotation>,
) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Stop::NotFound)?;
    let provider: Provider = provider.parse().map_err(|_| Stop::NotFound)?;
    let hours = filled(form.overlap_hours.as_ref()).map_or(Ok(OVERLAP_HOURS), str::parse);
    let hours = hours.map_err(|_| Stop::refused("The overlap is a number of hours."))?;
    let key =
        gate.means.sealing_key.as_ref().ok_or(Stop::refused("secrets.key is not set here; use the command line."))?;
    let overlap = Duration::from_secs(hours.saturating_mul(3600));
    let mut tx = gate.pool.begin().await?;
    let made = tenants::rotate_secret(&mut tx, key, id, provider, None, overlap).await?;
    let details = json!({ "provider": provider.as_str(), "overlap_hours": hours });
    actor.record(&mut tx, "endpoint.rotate_secret", ("endpoint", made.endpoint.clone()), Some(id), details).await?;
    tx.commit().await?;
    let content = html! {
        p .done role="status" { "The endpoint has a new secret. It is shown this once." }
        pre .secret { (made.secret) }
        p { "The one before is accepted for " (hours) " h." }
        p .more { a href={ (PATH) "/" (id) } { "Back to the tenant" } }
    };
    page(&gate, &actor.principal, PATH, "New secret", content).await
}
