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
pub mod quality;
mod quarantine;
mod queues;
mod schedules;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use sqlx::PgPool;
use tallyline_secrets::SealingKey;

use crate::accounts::guard::{self, Gate};
use crate::config::Config;
use crate::dashboard::routes::Pages;

/// What operators need beyond the database.
#[derive(Clone, Default)]
pub struct Means {
    /// Seals the secrets of endpoints; `None`: none can be made here.
    pub sealing_key: Option<SealingKey>,
    /// Whether processes tell each other of jobs.
    pub announces: bool,
    /// Where links lead that are shown to somebody.
    pub public_origin: String,
    /// What the page of data quality has counted.
    pub hours_over: quality::HoursOver,
}

impl Means {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        let sealing_key = crate::daemon::sealing_key(config)
            .inspect_err(|error| tracing::warn!(%error, "no secret can be made by the dashboard"))
            .ok();
        Means {
            sealing_key,
            announces: config.queue.announce,
            public_origin: config.public_origin(),
            hours_over: quality::HoursOver::default(),
        }
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
    routes()
        .router
        .route("/operate/{*rest}", any(async || page::Stop::NotFound))
        .with_state(Arc::clone(gate))
        .layer(from_fn_with_state(Arc::clone(gate), guard::pages))
}

/// The pages and what changes things on them.
pub(crate) fn routes() -> Pages {
    Pages::default().get("/operate", pipeline::show).and(work()).and(people())
}

fn work() -> Pages {
    Pages::default()
        .get("/operate/jobs", jobs::list)
        .get("/operate/jobs/many", bulk::preview)
        .post("/operate/jobs/many", bulk::act)
        .get("/operate/jobs/{id}", jobs::show)
        .post("/operate/jobs/{id}/retry", jobs::retry)
        .post("/operate/jobs/{id}/cancel", jobs::cancel)
        .post("/operate/jobs/{id}/discard", jobs::discard)
        .get("/operate/queues", queues::show)
        .post("/operate/queues/{name}/pause", queues::pause)
        .post("/operate/queues/{name}/resume", queues::resume)
        .post("/operate/queues/{name}/cap", queues::cap)
        .post("/operate/kinds/pause", queues::pause_kind)
        .post("/operate/kinds/{name}/resume", queues::resume_kind)
        .get("/operate/schedules", schedules::list)
        .get("/operate/schedules/{name}", schedules::show)
        .post("/operate/schedules/{name}/run", schedules::run)
        .post("/operate/schedules/{name}/pause", schedules::pause)
        .post("/operate/schedules/{name}/resume", schedules::resume)
        .get("/operate/backfills", backfills::list)
        .post("/operate/backfills", backfills::start)
        .get("/operate/backfills/preview", backfills::preview)
        .get("/operate/backfills/{id}", backfills::show)
        .post("/operate/backfills/{id}/{change}", backfills::change)
        .get("/operate/quality", quality::show)
        .get("/operate/quarantine", quarantine::list)
        .post("/operate/quarantine/replay", quarantine::replay_many)
        .get("/operate/quarantine/{id}", quarantine::show)
        .post("/operate/quarantine/{id}/replay", quarantine::replay)
        .post("/operate/quarantine/{id}/body", quarantine::body)
}

fn people() -> Pages {
    Pages::default()
        .get("/operate/tenants", tenants::list)
        .get("/operate/tenants/{id}", tenants::show)
        .post("/operate/tenants/{id}/rotate/{provider}", tenants::rotate)
        .get("/operate/accounts", accounts::list)
        .post("/operate/accounts", accounts::add)
        .get("/operate/accounts/{id}", accounts::show)
        .post("/operate/accounts/{id}/role", accounts::role)
        .post("/operate/accounts/{id}/close", accounts::close)
        .post("/operate/accounts/{id}/open", accounts::open)
        .post("/operate/accounts/{id}/link", accounts::link)
        .get("/operate/audit", audit::list)
        .get("/operate/audit/{id}", audit::show)
        .get("/account", own::show)
        .post("/account/password", own::password)
        .post("/account/sessions/end-others", own::end_others)
        .post("/account/sessions/{id}/end", own::end)
        .post("/account/tokens", own::add_token)
        .post("/account/tokens/{id}/revoke", own::revoke_token)
}
