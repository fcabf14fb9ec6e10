//! The pages of operators under `/operate`, and `/account` of everybody who is
//! signed in.
//!
//! To who is no operator they are not there. Each change is a form of its own,
//! and is entered into the audit log in the transaction that makes it, where that
//! is ours. Times are UTC.

mod accounts;
mod audit;
mod backfills;
mod bulk;
mod jobs;
mod own;
mod page;
mod pipeline;
mod quality;
mod quarantine;
mod queues;
mod schedules;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use sqlx::PgPool;
use tallyline_secrets::SealingKey;

use crate::accounts::guard::{self, Gate};
use crate::config::Config;

/// What operators need beyond the database.
#[derive(Clone, Default)]
pub struct Means {
    /// Seals the secrets of endpoints; `None`: none can be made here.
    pub sealing_key: Option<SealingKey>,
    /// Whether processes tell each other of jobs.
    pub announces: bool,
    /// Where links lead that are shown to somebody.
    pub public_origin: String,
}

impl Means {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        let sealing_key = crate::daemon::sealing_key(config)
            .inspect_err(|error| tracing::warn!(%error, "no secret can be made by the dashboard"))
            .ok();
        Means { sealing_key, announces: config.queue.announce, public_origin: config.public_origin() }
    }

    /// Tells processes that there may be jobs; those that are not told look once a second.
    async fn tell_of_jobs(&self, pool: &PgPool) {
        if self.announces
            && let Err(error) = tallyline_queue::announce_jobs(pool).await
        {
            tracing::warn!(%error, "other processes could not be told of jobs");
        }
    }

    /// Tells processes that jobs are to be cancelled.
    async fn tell_of_cancels(&self, pool: &PgPool) {
        if self.announces
            && let Err(error) = tallyline_queue::announce_cancel(pool).await
        {
            tracing::warn!(%error, "other processes could not be told of what is cancelled");
        }
    }
}

/// The routes.
pub fn router(gate: &Arc<Gate>) -> Router {
    Router::new()
        .route("/operate", get(pipeline::show))
        .merge(work())
        .merge(people())
        .route("/operate/{*rest}", any(async || page::Stop::NotFound))
        .with_state(Arc::clone(gate))
        .layer(from_fn_with_state(Arc::clone(gate), guard::pages))
}

fn work() -> Router<Arc<Gate>> {
    Router::new()
        .route("/operate/jobs", get(jobs::list))
        .route("/operate/jobs/many", get(bulk::preview).post(bulk::act))
        .route("/operate/jobs/{id}", get(jobs::show))
        .route("/operate/jobs/{id}/retry", post(jobs::retry))
        .route("/operate/jobs/{id}/cancel", post(jobs::cancel))
        .route("/operate/jobs/{id}/discard", post(jobs::discard))
        .route("/operate/queues", get(queues::show))
        .route("/operate/queues/{name}/pause", post(queues::pause))
        .route("/operate/queues/{name}/resume", post(queues::resume))
        .route("/operate/queues/{name}/cap", post(queues::cap))
        .route("/operate/kinds/pause", post(queues::pause_kind))
        .route("/operate/kinds/{name}/resume", post(queues::resume_kind))
        .route("/operate/schedules", get(schedules::list))
        .route("/operate/schedules/{name}", get(schedules::show))
        .route("/operate/schedules/{name}/run", post(schedules::run))
        .route("/operate/schedules/{name}/pause", post(schedules::pause))
        .route("/operate/schedules/{name}/resume", post(schedules::resume))
        .route("/operate/backfills", get(backfills::list).post(backfills::start))
        .route("/operate/backfills/preview", get(backfills::preview))
        .route("/operate/backfills/{id}", get(backfills::show))
        .route("/operate/backfills/{id}/{change}", post(backfills::change))
        .route("/operate/quality", get(quality::show))
        .route("/operate/quarantine", get(quarantine::list))
        .route("/operate/quarantine/replay", post(quarantine::replay_many))
        .route("/operate/quarantine/{id}", get(quarantine::show))
        .route("/operate/quarantine/{id}/replay", post(quarantine::replay))
        .route("/operate/quarantine/{id}/body", post(quarantine::body))
}

fn people() -> Router<Arc<Gate>> {
    Router::new()
        .route("/operate/tenants", get(tenants::list))
        .route("/operate/tenants/{id}", get(tenants::show))
        .route("/operate/tenants/{id}/rotate/{provider}", post(tenants::rotate))
        .route("/operate/accounts", get(accounts::list).post(accounts::add))
        .route("/operate/accounts/{id}", get(accounts::show))
        .route("/operate/accounts/{id}/role", post(accounts::role))
        .route("/operate/accounts/{id}/close", post(accounts::close))
        .route("/operate/accounts/{id}/open", post(accounts::open))
        .route("/operate/accounts/{id}/link", post(accounts::link))
        .route("/operate/audit", get(audit::list))
        .route("/operate/audit/{id}", get(audit::show))
        .route("/account", get(own::show))
        .route("/account/password", post(own::password))
        .route("/account/sessions/end-others", post(own::end_others))
        .route("/account/sessions/{id}/end", post(own::end))
        .route("/account/tokens", post(own::add_token))
        .route("/account/tokens/{id}/revoke", post(own::revoke_token))
}
