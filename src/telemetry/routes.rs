//! `GET /metrics` and `/readyz`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::names::READY;
use super::page::Page;
use super::readiness::{Check, Reason};

/// Content type of the Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Body of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<Reason>,
}

/// The two routes. `check` decides on `/readyz`.
pub fn router(page: impl Into<Page>, check: Check) -> Router {
    Router::new()
        .route("/metrics", get(metrics).with_state(page.into()))
        .route("/readyz", get(readyz).with_state(check))
}

async fn metrics(State(page): State<Page>) -> Response {
    ([(CONTENT_TYPE, TEXT_FORMAT), (CACHE_CONTROL, "no-store")], page.render()).into_response()
}

async fn readyz(State(check): State<Check>) -> Response {
    let reasons = check().await;
    let ready = reasons.is_empty();
    ::metrics::gauge!(READY).set(if ready { 1.0 } else { 0.0 });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(Readiness { ready, reasons })).into_response()
}
