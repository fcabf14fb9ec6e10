//! The webhook receiver: from a provider's request to a durable row of the inbox.
//!
//! ```text
//! limits → authentic? → the tenant's share → usable? → queue → one COMMIT for many → 200
//! ```
//!
//! Nothing is answered 200 before its COMMIT, and nothing but the inbox (and the
//! quarantine) is written: everything else happens later, from the inbox. While
//! the database is away, what is on the disk of the [`spool`] is answered 202.

mod addresses;
mod answer;
mod authenticate;
mod client;
mod connection;
mod endpoints;
mod form;
#[cfg(test)]
mod generated;
mod group_commit;
mod limits;
pub mod metrics;
mod networks;
mod quarantine;
mod routes;
mod server;
mod shares;
pub mod spool;
mod write_deadline;
mod write_group;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sqlx::PgPool;
use tallyline_secrets::SealingKey;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use client::address as client_address;
pub use form::is_account_sid;
pub use group_commit::NewEvent;
pub use limits::MAX_JSON_DEPTH;
pub use networks::Networks;
pub use quarantine::{MAX_BODY_BYTES as MAX_REFUSED_BODY_BYTES, MAX_REFUSED_PER_TENANT};
pub use routes::usable;
pub use server::serve;
pub use write_group::{is_about_data, store};

use crate::config::{Config, RequestLimits};
use crate::daemon::label;
use endpoints::Endpoints;
use group_commit::{GroupCommit, Options};
use routes::Door;
use shares::Shares;
use spool::{Drain, Spool};

/// A running receiver: its routes and the tasks that commit.
pub struct Receiver {
    door: Arc<Door>,
    committers: JoinSet<()>,
}

impl Receiver {
    /// Starts the committers. `inbox_hint` is notified after each COMMIT that
    /// stored something new. They end when this receiver and its routers are
    /// gone, at the latest some seconds after `shutdown`. What is in the spool goes
    /// to the inbox as soon as the database is there.
    pub fn start(
        pool: PgPool,
        config: Arc<Config>,
        key: SealingKey,
        inbox_hint: Arc<Notify>,
        spool: Option<Spool>,
        shutdown: CancellationToken,
    ) -> Self {
        metrics::describe();
        let options = Options {
            max_in_flight: config.receiver.max_in_flight,
            max_group: config.receiver.max_group,
            committers: config.receiver.committers,
            // What is late for the inbox must be in time for the spool.
            deadline: config.receiver.acknowledge_deadline() / if spool.is_some() { 2 } else { 1 },
        };
        let (commits, mut committers) = GroupCommit::start(&pool, options, &inbox_hint, &shutdown);
        let keep = Duration::from_secs(config.receiver.endpoint_cache_seconds);
        let stale = Duration::from_secs(config.receiver.endpoint_stale_seconds);
        if let Some(spool) = spool.clone() {
            let drain = Drain { spool, pool: pool.clone(), inbox_hint, label: label() };
            committers.spawn(drain.run(shutdown));
        }
        let limits = RequestLimits::from(&config.receiver);
        let door = Door {
            endpoints: Endpoints::new(pool.clone(), key, keep, stale),
            pool,
            commits,
            public_origin: config.public_origin(),
            trusted_proxies: config.http.trusted_proxies.clone(),
            shares: Shares::new(limits.into(), config.live.clone()),
            live: config.live.clone(),
            max_body_bytes: config.receiver.max_body_bytes,
            body_room: Arc::new(Semaphore::new(config.receiver.max_buffered_bytes.min(Semaphore::MAX_PERMITS))),
            max_json_depth: config.receiver.max_json_depth,
            acknowledge_deadline: config.receiver.acknowledge_deadline(),
            spool,
        };
        Self { door: Arc::new(door), committers }
    }

    /// The routes `/webhooks/…`.
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.door))
    }

    /// The connections that it has to itself.
    pub fn pool(&self) -> &PgPool {
        &self.door.pool
    }

    /// Waits until what was queued is committed. Call it after the server has
    /// ended: it waits for the routers to be dropped.
    pub async fn finish(self) {
        let Self { door, mut committers } = self;
        drop(door);
        while committers.join_next().await.is_some() {}
    }
}
