//! The dashboard: one page per tenant, made by the server from roll-ups.
//!
//! It works without a script and loads nothing from elsewhere.

mod assets;
mod breakdown;
mod chart;
#[cfg(test)]
mod contrast;
pub(crate) mod data;
mod figures;
pub(crate) mod format;
pub(crate) mod layout;
mod pages;
pub(crate) mod routes;
mod sign_in;
mod tables;
mod tiles;
mod trends;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::accounts::guard::{self, Gate};
use crate::accounts::{FirstRun, Principal};
use crate::operate;

pub use layout::{OPERATOR_PAGES, TENANT_PAGES};

const DEFAULT_DAYS: u16 = 30;
const MAX_DAYS: u16 = 366;

/// Sent with every answer. Inline styles and scripts, frames and foreign origins
/// are refused by the browser.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

/// The pages and the files that they refer to.
///
/// The server must hand on the peer's address
/// (`into_make_service_with_connect_info::<SocketAddr>` or the same extension);
/// without it, and without login, every request is refused.
pub fn router(gate: &Arc<Gate>, first_run: FirstRun) -> Router {
    let pages =
        own_pages().router.with_state(Arc::clone(gate)).layer(from_fn_with_state(Arc::clone(gate), guard::pages));
    Router::new()
        .route(assets::STYLE.path, get(async || assets::STYLE.response()))
        .route(assets::SCRIPT.path, get(async || assets::SCRIPT.response()))
        .route(assets::ICON.path, get(async || assets::ICON.response()))
        .merge(sign_in::router(gate, first_run))
        .merge(pages)
        .merge(operate::router(gate))
        .layer(from_fn(async |request, next: axum::middleware::Next| {
            let mut response = next.run(request).await;
            add_security_headers(response.headers_mut());
            response
        }))
}

fn own_pages() -> routes::Pages {
    routes::Pages::default().get("/", page).and(pages::routes())
}

/// Paths of all pages for who is signed in, with their parameters in braces.
pub fn page_paths() -> Vec<&'static str> {
    let mut paths = own_pages().read;
    paths.append(&mut operate::routes().read);
    paths
}

fn add_security_headers(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // Figures of a tenant belong in no cache; the assets have said otherwise.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// `/?tenant=<uuid>&days=30`; texts, since a wrong one deserves a page of its own.
#[derive(Debug, Deserialize)]
struct Asked {
    tenant: Option<String>,
    days: Option<String>,
}

async fn page(State(gate): State<Arc<Gate>>, principal: Principal, Query(asked): Query<Asked>) -> Response {
    match answer(&gate.pool, &principal, &asked).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error = %error, "the dashboard could not read the database");
            let text =
                html! { p { "The database does not answer. Webhooks may still be accepted; try again in a moment." } };
            answer_with(
                StatusCode::SERVICE_UNAVAILABLE,
                view::message("No figures at the moment", &text, &principal, &[]),
            )
        }
    }
}

async fn answer(pool: &PgPool, principal: &Principal, asked: &Asked) -> Result<Response, sqlx::Error> {
    let tenants = if principal.sees_all_tenants() { data::tenants(pool).await? } else { Vec::new() };
    let Some(days) = days_asked(asked) else {
        let text = html! { p { "A period has 1 to " (MAX_DAYS) " days." } };
        return Ok(answer_with(StatusCode::BAD_REQUEST, view::message("No such period", &text, principal, &tenants)));
    };
    let user_id = match &asked.tenant {
        // Somebody else's tenant is no tenant.
        Some(text) => text.parse::<Uuid>().ok().filter(|id| principal.may_read(*id)),
        None if !principal.sees_all_tenants() => Some(principal.account.user_id),
        None => match tenants.iter().find(|t| t.is_active).or(tenants.first()) {
            Some(first) => Some(first.id),
            None => {
                return Ok(answer_with(StatusCode::OK, view::message("No tenant yet", &first_steps(), principal, &[])));
            }
        },
    };
    let page = match user_id {
        Some(id) => data::page(pool, id, data::Span::Last(days), None).await?,
        None => None,
    };
    Ok(match page {
        Some(page) => answer_with(StatusCode::OK, view::dashboard(&page, principal, &tenants)),
        None => {
            let text = html! { p { "Nobody has this id here. Choose a tenant above." } };
            answer_with(StatusCode::NOT_FOUND, view::message("No such tenant", &text, principal, &tenants))
        }
    })
}

fn days_asked(asked: &Asked) -> Option<u16> {
    match &asked.days {
        None => Some(DEFAULT_DAYS),
        Some(text) => text.parse().ok().filter(|days| (1..=MAX_DAYS).contains(days)),
    }
}

fn first_steps() -> Markup {
    html! {
        p { "Figures appear here when a tenant exists and its provider posts webhooks." }
        pre { "tallyline tenant add --help" }
        p { "To see a page with generated traffic:" }
        pre { "tallyline demo" }
    }
}

pub(crate) fn answer_with(status: StatusCode, page: Markup) -> Response {
    (status, Html(page.into_string())).into_response()
}
