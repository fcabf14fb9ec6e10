//! From the spool to the inbox, when the database is back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Depth, Spool, Step};
use crate::receiver::connection::Borrowed;
use crate::receiver::group_commit::NewEvent;
use crate::receiver::metrics::{EVENTS_DUPLICATE, EVENTS_STORED, SPOOL_DAMAGED, SPOOL_OUTCOMES};
use crate::receiver::quarantine;
use crate::receiver::write_group::{self, WriteError};

/// Between two tries.
const REST: Duration = Duration::from_millis(500);
/// The same when the disk fails.
const DISK_REST: Duration = Duration::from_secs(10);
/// For a small question to the database, such as whether it is there.
const ANSWER: Duration = Duration::from_secs(2);
/// For one group: nobody waits for its answer.
const COMMIT: Duration = Duration::from_secs(20);
/// Events and bytes of one COMMIT.
const MAX_GROUP: usize = 256;
const MAX_GROUP_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
enum DrainError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the database does not answer")]
    NoAnswer,
    #[error("the spool cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("the reading was cut off")]
    Interrupted,
}

impl From<sqlx::Error> for DrainError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

/// The task that drains a spool.
pub struct Drain {
    pub spool: Spool,
    pub pool: PgPool,
    pub inbox_hint: Arc<Notify>,
    /// Names the process for those who look at the database.
    pub label: String,
}

impl Drain {
    /// Until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let idle = self.spool.depth().bytes == 0 && !self.spool.is_database_away();
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.spool.shared.wake.notified(), if idle => {}
                () = std::future::ready(()), if !idle => {}
            }
            let round = tokio::select! {
                () = shutdown.cancelled() => return,
                round = self.round() => round,
            };
            if let Err(error) = round {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = sleep(rest_after(&error)) => {}
                }
            }
        }
    }

    /// Tells the database what waits; where that is answered, drains everything.
    async fn round(&self) -> Result<(), DrainError> {
        self.note(self.spool.depth()).await?;
        if self.spool.shared.away.swap(false, Ordering::Relaxed) {
            tracing::info!(events = self.spool.depth().events, "the database is back; the spool is drained");
        }
        self.spool.seal().await;
        while let Some(number) = self.spool.shared.first_sealed() {
            self.segment(number).await?;
            self.note(self.spool.depth()).await?;
        }
        Ok(())
    }

    /// Brings one file's events to the inbox, then removes the file.
    async fn segment(&self, number: u64) -> Result<(), DrainError> {
        let shared = Arc::clone(&self.spool.shared);
        let reading = tokio::task::spawn_blocking(move || shared.directory.read(number));
        let (contents, bytes) = reading.await.map_err(|_| DrainError::Interrupted)??;
        pass::<io::Error>(Point::SpoolRead)?;
        let events = contents.events.len();
        for group in groups(contents.events) {
            self.group(&group).await?;
        }
        pass::<io::Error>(Point::SpoolCommitted)?;
        let shared = Arc::clone(&self.spool.shared);
        (shared.steps)(Step::Committed);
        let ending = tokio::task::spawn_blocking(move || match contents.damaged_at {
            Some(at) => {
                tracing::error!(number, at, bytes, events, "a file of the spool did not end whole and is kept aside");
                metrics::counter!(SPOOL_DAMAGED).increment(1);
                shared.directory.set_aside(number)
            }
            None => shared.remove(number),
        });
        ending.await.map_err(|_| DrainError::Interrupted)??;
        tallyline_failpoints::reach(Point::SpoolRemoved);
        (self.spool.shared.steps)(Step::Removed);
        self.spool.shared.forget(number);
        Ok(())
    }

    async fn group(&self, group: &[NewEvent]) -> Result<(), DrainError> {
        let events: Vec<&NewEvent> = group.iter().collect();
        match write_group::write(&self.pool, &events, Instant::now() + COMMIT).await {
            Ok(new) => self.count(group, &new),
            Err(WriteError::Data(_)) => {
                for event in group {
                    self.alone(event).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// One event of a group that the database refuses.
    async fn alone(&self, event: &NewEvent) -> Result<(), DrainError> {
        match write_group::write(&self.pool, &[event], Instant::now() + COMMIT).await {
            Ok(new) => self.count(std::slice::from_ref(event), &new),
            Err(WriteError::Data(_)) => {
                in_time(quarantine::keep_spooled(&self.pool, event)).await?;
                metrics::counter!(SPOOL_OUTCOMES, "outcome" => "unreplayable").increment(1);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn count(&self, group: &[NewEvent], new: &[bool]) {
        for (event, new) in group.iter().zip(new) {
            let counter = if *new { EVENTS_STORED } else { EVENTS_DUPLICATE };
            metrics::counter!(counter, "provider" => event.provider.as_str()).increment(1);
        }
        metrics::counter!(SPOOL_OUTCOMES, "outcome" => "replayed").increment(group.len() as u64);
        self.inbox_hint.notify_one();
    }

    /// Tells the database what waits here, so that the figures' lag says so.
    async fn note(&self, depth: Depth) -> Result<(), DrainError> {
        let id = self.spool.shared.directory.id;
        let (events, bytes) = (i64::try_from(depth.events), i64::try_from(depth.bytes));
        in_time(async {
            let mut borrowed = Borrowed::from(&self.pool).await?;
            if let (Some(oldest), Ok(events), Ok(bytes)) = (depth.oldest, events, bytes) {
                sqlx::query_file!("sql/spool/note.sql", id, &self.label, events, bytes, oldest)
                    .execute(borrowed.get())
                    .await?;
            } else {
                sqlx::query!("DELETE FROM tally.spools WHERE spool_id = $1", id).execute(borrowed.get()).await?;
            }
            borrowed.done();
            Ok(())
        })
        .await
    }
}

async fn in_time(asking: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), DrainError> {
    Ok(timeout(ANSWER, asking).await.map_err(|_| DrainError::NoAnswer)??)
}

/// That the database is away was said once; a disk that cannot be read is for somebody to mend.
fn rest_after(error: &DrainError) -> Duration {
    if let DrainError::Io(_) = error {
        tracing::error!(%error, "the spool cannot be drained");
        return DISK_REST;
    }
    tracing::debug!(%error, "the spool is not drained yet");
    REST
}

/// Groups of distinct events, in the order of their keys; of equal ones the
/// first that was received stands for all.
fn groups(mut events: Vec<NewEvent>) -> Vec<Vec<NewEvent>> {
    events.sort_by_key(|event| (event.key(), event.received_at));
    events.dedup_by_key(|event| event.key());
    let mut groups: Vec<Vec<NewEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        bytes += event.body.len();
        match groups.last_mut() {
            Some(group) if group.len() < MAX_GROUP && bytes <= MAX_GROUP_BYTES => group.push(event),
            _ => {
                bytes = event.body.len();
                groups.push(vec![event]);
            }
        }
    }
    groups
}
