//! `/api/v1`: what the daemon knows, as JSON, for whoever shows an API token or a session.

mod backfills;
mod figures;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::accounts::guard::{self, Gate};

/// The routes. As for [`crate::dashboard::router`], the server must hand on the
/// peer's address.
pub fn router(gate: &Arc<Gate>) -> Router {
    Router::new()
        .route("/api/v1/backfills", get(backfills::list))
        .route("/api/v1/backfills/{id}", get(backfills::show))
        .route("/api/v1/tenants/{id}/figures", get(figures::read))
        .with_state(gate.pool.clone())
        .layer(from_fn_with_state(Arc::clone(gate), guard::api))
}

/// Body of every answer that is not 200.
#[derive(Debug, Serialize)]
struct Problem {
    error: &'static str,
}

pub(crate) fn problem(status: StatusCode, error: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(Problem { error })).into_response()
}

fn found<T: Serialize>(body: T) -> Response {
    (StatusCode::OK, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
