//! `/api/v1`: what the daemon knows, as JSON, for whoever shows an API token or a session.
//!
//! Every route is described where it is added ([`routes`]); `/api/openapi.json` is
//! made of nothing else. A handler is given its tenant by [`extract::Tenant`], which
//! answers for who may not read it.

mod backfills;
mod calls;
mod clockwork;
mod credits;
mod extract;
mod figures;
mod follow_ups;
mod jobs;
mod operate;
mod own;
mod page;
mod people;
mod problem;
mod routes;
mod tenants;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Json, Router};
use utoipa::openapi::OpenApi;

use self::routes::Routes;
use crate::accounts::guard::{self, Gate};

pub(crate) use problem::problem;

/// Routes for who is known.
fn private_routes() -> Routes {
    own::routes()
        .and(tenants::routes())
        .and(figures::routes())
        .and(calls::routes())
        .and(people::routes())
        .and(follow_ups::routes())
        .and(credits::routes())
        .and(backfills::routes())
        .and(jobs::routes())
        .and(clockwork::routes())
        .and(operate::routes())
}

/// The routes. As for [`crate::dashboard::router`], the server must hand on the
/// peer's address.
pub fn router(gate: &Arc<Gate>) -> Router {
    let document = Arc::new(document());
    let mut private = private_routes().router;
    for elsewhere in ["/api", "/api/", "/api/{*rest}"] {
        private = private.route(elsewhere, any(nothing_here));
    }
    let private = private.layer(from_fn_with_state(Arc::clone(gate), guard::api));
    let public = own::public_routes().router;
    let described = Router::new()
        .route("/api/openapi.json", get(|State(document): State<Arc<OpenApi>>| async move { Json(document) }))
        .with_state(document);
    public
        .merge(private)
        .with_state(Arc::clone(gate))
        .merge(described)
        .method_not_allowed_fallback(async || problem(StatusCode::METHOD_NOT_ALLOWED, "the route knows other methods"))
}

/// The OpenAPI document of all routes.
pub fn document() -> OpenApi {
    own::public_routes().and(private_routes()).document()
}

async fn nothing_here() -> Response {
    problem(StatusCode::NOT_FOUND, "no such thing; see /api/openapi.json")
}
