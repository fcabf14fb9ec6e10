//! `GET /api/v1/backfills` and `/api/v1/backfills/{id}`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use sqlx::PgPool;
use tallyline_jobs::backfill::{self, BackfillError, Fault, Progress};
use uuid::Uuid;

use super::{found, problem};
use crate::accounts::Principal;

/// Backfills in one answer.
const NEWEST: i64 = 100;
/// Units with a fault in one answer.
const FAULTS: i64 = 100;

/// `{"backfills": […]}`, the newest first.
#[derive(Debug, Serialize)]
struct List {
    backfills: Vec<Progress>,
}

/// `{"backfill": {…}, "faults": […]}`.
#[derive(Debug, Serialize)]
struct Details {
    backfill: Progress,
    faults: Vec<Fault>,
}

pub(super) async fn list(State(pool): State<PgPool>, principal: Principal) -> Response {
    if !principal.is_operator() {
        return problem(StatusCode::NOT_FOUND, "no such thing");
    }
    match backfill::list(&pool, NEWEST).await {
        Ok(backfills) => found(List { backfills }),
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn show(State(pool): State<PgPool>, principal: Principal, Path(id): Path<String>) -> Response {
    let Some(id) = id.parse::<Uuid>().ok().filter(|_| principal.is_operator()) else {
        return problem(StatusCode::NOT_FOUND, "no such backfill");
    };
    match details(&pool, id).await {
        Ok(details) => found(details),
        Err(BackfillError::UnknownBackfill(_)) => problem(StatusCode::NOT_FOUND, "no such backfill"),
        Err(error) => unreadable(&error),
    }
}

async fn details(pool: &PgPool, id: Uuid) -> Result<Details, BackfillError> {
    Ok(Details { backfill: backfill::show(pool, id).await?, faults: backfill::faults(pool, id, FAULTS).await? })
}

fn unreadable(error: &BackfillError) -> Response {
    tracing::error!(%error, "the API could not read backfills");
    problem(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
}
