//! Wake-ups between processes: a hint here rings the hints elsewhere.
//!
//! A notification is never part of a transaction that enqueues: committing one
//! takes a lock of the whole database. It is sent afterwards, on a connection of
//! its own, at most once per pause whatever the number of hints. It may get lost;
//! then work is found by polling. Behind a pooler that cannot listen, both ends
//! stay away and polling is all there is.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    hint::Hint,
    pace::Pace,
    telemetry::db_error,
    timing::{POLL_LEAST, RETRY_GREATEST},
};

/// The channel. Payload: what changed, then who says so.
const CHANNEL: &str = "tally_jobs";
const JOBS: &str = "jobs";
const CANCEL: &str = "cancel";

/// Least time between two notifications of one process.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that said nothing for this long is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Says to other processes that there may be jobs. In a statement of its own,
/// after the commit.
///
/// # Errors
/// Of the database.
pub async fn announce_jobs(db: impl sqlx::PgExecutor<'_>) -> Result<(), sqlx::Error> {
    send(db, format!("{JOBS} ?")).await
}

/// Says to other processes that the cancelling of a job has been asked for.
///
/// # Errors
/// Of the database.
pub async fn announce_cancel(db: impl sqlx::PgExecutor<'_>) -> Result<(), sqlx::Error> {
    send(db, format!("{CANCEL} ?")).await
}

async fn send(db: impl sqlx::PgExecutor<'_>, payload: String) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_notify($1, $2)::text AS "sent""#, CHANNEL, payload).fetch_one(db).await?;
    Ok(())
}

/// Sends what the handle's hints ask for.
pub(crate) struct Announcer {
    pub(crate) db: PgPool,
    /// Name of this process on the channel.
    pub(crate) me: String,
    pub(crate) asked: Arc<Notify>,
    pub(crate) stop: CancellationToken,
}

impl Announcer {
    pub(crate) async fn run(self) {
        let turns = async {
            loop {
                self.asked.notified().await;
                if let Err(error) = send(&self.db, format!("{JOBS} {}", self.me)).await {
                    // Others find the work by polling.
                    db_error("announce", &error);
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        self.stop.run_until_cancelled(turns).await;
    }
}

/// Rings the hints of this process when others announce something.
pub(crate) struct Listener {
    pub(crate) db: PgPool,
    pub(crate) me: String,
    pub(crate) jobs: Hint,
    pub(crate) cancels: Hint,
    pub(crate) stop: CancellationToken,
}

impl Listener {
    pub(crate) async fn run(self) {
        let mut failing = Pace::new(POLL_LEAST, RETRY_GREATEST);
        let turns = async {
            loop {
                if let Err(error) = self.listen(&mut failing).await {
                    db_error("listen", &error);
                }
                tokio::time::sleep(failing.step()).await;
            }
        };
        self.stop.run_until_cancelled(turns).await;
    }

    /// Listens until the connection fails.
    async fn listen(&self, failing: &mut Pace) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.db).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        failing.reset();
        // What was announced while nobody listened is lost: look for everything.
        self.ring_all();
        loop {
            match tokio::time::timeout(PING_EVERY, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.hear(notification.payload()),
                // It has reconnected by itself.
                Ok(Ok(None)) => self.ring_all(),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    // A peer that vanished without a word keeps a connection half open.
                    let ping = sqlx::query("SELECT 1").execute(&mut listener);
                    match tokio::time::timeout(PING_TIMEOUT, ping).await {
                        Ok(pinged) => {
                            pinged?;
                        }
                        Err(_) => return Err(sqlx::Error::PoolTimedOut),
                    }
                }
            }
        }
    }

    fn hear(&self, payload: &str) {
        match payload.split_once(' ') {
            // This process has hinted itself.
            Some((JOBS, who)) if who == self.me => {}
            Some((CANCEL, _)) => self.cancels.ring(),
            _ => self.jobs.ring(),
        }
    }

    fn ring_all(&self) {
        self.jobs.ring();
        self.cancels.ring();
    }
}
