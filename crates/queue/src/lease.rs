//! The lease of this process: kept on a thread of its own, so that neither
//! blocking handlers nor a full connection pool can starve the heartbeat.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    error::QueueError,
    store,
    telemetry::{Counters, db_error},
};

/// Times of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long a lease lives after a heartbeat.
    pub ttl: Duration,
    /// Time between heartbeats.
    pub beat: Duration,
    /// A lease unconfirmed for `ttl - margin` is given up by its own process:
    /// no more claims, handlers cancelled.
    pub margin: Duration,
}

impl Default for LeaseTiming {
    /// 20 s, beaten every 5 s, given up after 15 s.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(20), beat: Duration::from_secs(5), margin: Duration::from_secs(5) }
    }
}

/// Longest wait for a lease to be given up at the end; it would end by itself.
const RELEASE_WAIT: Duration = Duration::from_secs(5);

/// A lease that this process holds, or held.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: Uuid,
    /// Cancelled when the lease is lost. It never comes back.
    pub(crate) lost: CancellationToken,
    safe_until: watch::Sender<Instant>,
}

impl Lease {
    fn new(safe_until: Instant) -> Self {
        Self { id: Uuid::new_v4(), lost: CancellationToken::new(), safe_until: watch::Sender::new(safe_until) }
    }

    /// Whether claims may still be made. It looks at the time itself: a process
    /// that was frozen must not claim before the keeper gets its turn.
    pub(crate) fn is_safe(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.safe_until.borrow()
    }
}

/// The current lease, once there is one.
pub(crate) type Leases = watch::Receiver<Option<Arc<Lease>>>;

/// Waits for a lease under which claims may be made.
pub(crate) async fn safe_lease(leases: &mut Leases) -> Option<Arc<Lease>> {
    loop {
        let current = leases.borrow_and_update().clone();
        if let Some(lease) = current.filter(|lease| lease.is_safe()) {
            return Some(lease);
        }
        // A lease that is out of time but not yet given up changes soon; the
        // short wait covers the moment in between.
        let changed = tokio::time::timeout(Duration::from_millis(200), leases.changed()).await;
        if let Ok(Err(_)) = changed {
            return None;
        }
    }
}

/// The thread that keeps the lease.
pub(crate) struct Keeper {
    pub(crate) leases: Leases,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn start(
        options: PgConnectOptions,
        label: String,
        queues: Vec<String>,
        timing: LeaseTiming,
        counters: Arc<Counters>,
    ) -> Result<Self, QueueError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, leases) = watch::channel(None);
        let stop = CancellationToken::new();
        let task = Keeping { options, label, queues, timing, counters, sender, stop: stop.clone(), connection: None };
        let thread =
            std::thread::Builder::new().name("tally-lease".to_owned()).spawn(move || runtime.block_on(task.run()))?;
        Ok(Self { leases, stop, thread: Some(thread) })
    }

    /// Gives the lease up and ends the thread.
    pub(crate) async fn release(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the lease thread panicked");
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Keeping {
    options: PgConnectOptions,
    label: String,
    queues: Vec<String>,
    timing: LeaseTiming,
    counters: Arc<Counters>,
    sender: watch::Sender<Option<Arc<Lease>>>,
    stop: CancellationToken,
    connection: Option<PgConnection>,
}

impl Keeping {
    async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let Some(Some(lease)) = stop.run_until_cancelled(self.register()).await else { return };
            self.sender.send_replace(Some(Arc::clone(&lease)));
            let kept = stop.run_until_cancelled(self.keep(&lease)).await;
            lease.lost.cancel();
            if kept.is_none() {
                self.release(&lease).await;
                return;
            }
            self.counters.count_lost_lease();
            tracing::error!(lease_id = %lease.id, "lease lost: handlers cancelled, a new lease will be taken");
        }
    }

    /// Registers a new lease, however long it takes.
    async fn register(&mut self) -> Option<Arc<Lease>> {
        loop {
            let sent = Instant::now();
            let lease = Lease::new(self.safe_until(sent));
            let (label, queues, ttl, id) = (self.label.clone(), self.queues.clone(), self.timing.ttl, lease.id);
            let until = self.safe_until(sent);
            let register = async |db: &mut PgConnection| store::register_serving(db, id, &label, ttl, &queues).await;
            let done = self.on_connection(until, register).await;
            match done {
                Some(()) if lease.is_safe() => {
                    tallyline_failpoints::reach(tallyline_failpoints::Point::LeaseRegistered);
                    return Some(Arc::new(lease));
                }
                // An answer that came too late leaves a row that ends by itself.
                _ => tokio::time::sleep(self.pause()).await,
            }
        }
    }

    /// Beats until the lease is lost.
    async fn keep(&mut self, lease: &Lease) {
        let mut next = Instant::now() + self.timing.beat;
        loop {
            tokio::time::sleep_until(next).await;
            let safe_until = *lease.safe_until.borrow();
            let sent = Instant::now();
            if sent >= safe_until {
                return;
            }
            let (id, ttl) = (lease.id, self.timing.ttl);
            match self.on_connection(safe_until, async |db| store::beat(db, id, ttl).await).await {
                Some(true) => {
                    // Counted from before the statement was sent: the database
                    // cannot have counted from an earlier moment.
                    lease.safe_until.send_replace(self.safe_until(sent));
                    next = sent + self.timing.beat;
                }
                Some(false) => return,
                None => next = (Instant::now() + self.pause()).min(safe_until),
            }
        }
    }

    async fn release(&mut self, lease: &Lease) {
        let until = Instant::now() + RELEASE_WAIT;
        let id = lease.id;
        // Best effort: an unreleased lease ends by itself.
        self.on_connection(until, async |db| store::release_lease(db, id).await).await;
        if let Some(connection) = self.connection.take() {
            let _ = tokio::time::timeout(RELEASE_WAIT, connection.close()).await;
        }
    }

    fn safe_until(&self, sent: Instant) -> Instant {
        sent + self.timing.ttl.saturating_sub(self.timing.margin)
    }

    /// Between attempts to reach the database.
    fn pause(&self) -> Duration {
        (self.timing.beat / 10).min(Duration::from_millis(500))
    }

    /// Runs a statement on the thread's own connection, opened when needed and
    /// dropped on failure. `None` when it failed or the time ran out.
    async fn on_connection<T>(
        &mut self,
        until: Instant,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Option<T> {
        let held = self.connection.take();
        let options = &self.options;
        let attempt = async {
            let mut connection = match held {
                Some(connection) => connection,
                None => PgConnection::connect_with(options).await?,
            };
            let value = statement(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, value))
        };
        match timeout_at(until, attempt).await {
            Ok(Ok((connection, value))) => {
                self.connection = Some(connection);
                Some(value)
            }
            Ok(Err(error)) => {
                db_error("lease", &error);
                None
            }
            Err(_) => {
                tracing::warn!("the database did not answer the heartbeat in time");
                None
            }
        }
    }
}
