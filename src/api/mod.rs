//! `/api/v1`: what the daemon knows, as JSON. Behind the same guard as the
//! dashboard, since there is no login yet.

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
use sqlx::PgPool;

use crate::config::Config;
use crate::dashboard::access;

/// The routes. As for [`crate::dashboard::router`], the server must hand on the
/// peer's address.
pub fn router(pool: PgPool, config: &Arc<Config>) -> Router {
    Router::new()
        .route("/api/v1/backfills", get(backfills::list))
        .route("/api/v1/backfills/{id}", get(backfills::show))
        .route("/api/v1/tenants/{id}/figures", get(figures::read))
        .with_state(pool)
        .layer(from_fn_with_state(config.dashboard.public, access::guard))
}

/// Body of every answer that is not 200.
#[derive(Debug, Serialize)]
struct Problem {
    error: &'static str,
}

fn problem(status: StatusCode, error: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(Problem { error })).into_response()
}

fn found<T: Serialize>(body: T) -> Response {
    (StatusCode::OK, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
