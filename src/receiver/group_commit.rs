//! Many requests, one COMMIT. Requests put their event into a bounded queue and
//! wait; a few committers each take whatever is waiting, without lingering, and
//! write it by one statement. While one group commits the next one gathers, so
//! that groups grow with the load and a lone request waits for nobody.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tallyline_model::Provider;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::metrics::{EVENTS_DUPLICATE, EVENTS_STORED, GROUP_EVENTS};
use super::write_group::{self, WriteError};

/// Bytes of bodies written by one statement; a single larger body goes alone.
const MAX_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// How long committers serve requests that were under way when the process was
/// asked to stop; longer than the server lets them run.
const LAST_REQUESTS: Duration = Duration::from_secs(15);

/// A webhook that is authentic and of usable form.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub user_id: Uuid,
    pub provider: Provider,
    pub endpoint: Arc<str>,
    pub body_sha256: [u8; 32],
    pub body: Bytes,
    /// A JSON object with the headers that matter.
    pub headers: String,
    /// By the database's clock, for what was received before it is written here;
    /// `None`: now, when it is written.
    pub received_at: Option<DateTime<Utc>>,
}

impl NewEvent {
    /// What makes two events one; groups are written in this order, so that two
    /// of them never wait for each other.
    pub fn key(&self) -> ([u8; 32], Uuid, Provider) {
        (self.body_sha256, self.user_id, self.provider)
    }
}

/// What became of an event that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    New,
    Duplicate,
}

/// Why an event was not stored, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is away or slow. The event may have been stored after all;
    /// sending it again is harmless.
    #[error("the event could not be stored in time")]
    Unavailable,
    /// Too many are waiting.
    #[error("too many events are waiting")]
    Overloaded,
    /// The database will never take this event.
    #[error("the database refuses the event")]
    Refused,
}

type Answer = oneshot::Sender<Result<Stored, StoreError>>;

struct Waiting {
    event: NewEvent,
    answer: Answer,
}

/// How groups are made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Events that may wait.
    pub max_in_flight: usize,
    /// Events of one COMMIT.
    pub max_group: usize,
    /// COMMITs at the same time.
    pub committers: usize,
    /// A group that takes longer has failed.
    pub deadline: Duration,
}

/// The way in. Committers end when every copy of it is gone.
#[derive(Clone)]
pub struct GroupCommit {
    queue: mpsc::Sender<Waiting>,
}

impl GroupCommit {
    /// Starts the committers. They end when the queue is closed and empty, or
    /// some seconds after `shutdown`.
    pub fn start(
        pool: &PgPool,
        options: Options,
        inbox_hint: &Arc<Notify>,
        shutdown: &CancellationToken,
    ) -> (Self, JoinSet<()>) {
        let (queue, waiting) = mpsc::channel(options.max_in_flight.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let mut committers = JoinSet::new();
        for _ in 0..options.committers.max(1) {
            let committer = Committer {
                pool: pool.clone(),
                waiting: Arc::clone(&waiting),
                max_group: options.max_group.max(1),
                deadline: options.deadline,
                inbox_hint: Arc::clone(inbox_hint),
            };
            committers.spawn(committer.run(shutdown.clone()));
        }
        (Self { queue }, committers)
    }

    /// Stores an event together with whatever else is waiting; returns after the
    /// COMMIT.
    ///
    /// # Errors
    /// When the queue is full or the group could not be written.
    pub async fn store(&self, event: NewEvent) -> Result<Stored, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { event, answer }).map_err(|_| StoreError::Overloaded)?;
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }
}

struct Committer {
    pool: PgPool,
    waiting: Arc<Mutex<mpsc::Receiver<Waiting>>>,
    max_group: usize,
    deadline: Duration,
    inbox_hint: Arc<Notify>,
}

impl Committer {
    async fn run(self, shutdown: CancellationToken) {
        let stop = async {
            shutdown.cancelled().await;
            tokio::time::sleep(LAST_REQUESTS).await;
        };
        tokio::pin!(stop);
        loop {
            let group = tokio::select! {
                group = self.take() => group,
                () = &mut stop => break,
            };
            if group.is_empty() {
                break;
            }
            for part in split_by_size(group) {
                self.commit(part).await;
            }
        }
    }

    /// At least one event, at most `max_group`; none when the queue is closed.
    async fn take(&self) -> Vec<Waiting> {
        let mut group = Vec::new();
        self.waiting.lock().await.recv_many(&mut group, self.max_group).await;
        group
    }

    async fn commit(&self, mut group: Vec<Waiting>) {
        group.sort_by_key(|waiting| waiting.event.key());
        metrics::histogram!(GROUP_EVENTS).record(group.len() as f64);
        match self.write(&group).await {
            Ok(new) => self.answer(group, &new),
            Err(WriteError::Data(_)) if group.len() > 1 => {
                for one in group {
                    let alone = vec![one];
                    match self.write(&alone).await {
                        Ok(new) => self.answer(alone, &new),
                        Err(error) => refuse(alone, &error),
                    }
                }
            }
            Err(error) => refuse(group, &error),
        }
    }

    async fn write(&self, group: &[Waiting]) -> Result<Vec<usize>, WriteError> {
        // Equal events lie next to each other; the first stands for all.
        let mut distinct: Vec<usize> = (0..group.len()).collect();
        distinct.dedup_by_key(|position| group[*position].event.key());
        let events: Vec<&NewEvent> = distinct.iter().map(|position| &group[*position].event).collect();
        let until = Instant::now() + self.deadline;
        pass::<sqlx::Error>(Point::ReceiverBeforeCommit)?;
        let new = write_group::write(&self.pool, &events, until).await?;
        pass::<sqlx::Error>(Point::ReceiverAfterCommit)?;
        Ok(distinct.into_iter().zip(new).filter_map(|(position, new)| new.then_some(position)).collect())
    }

    /// `new` holds the positions, ascending, of the events that were not there.
    fn answer(&self, group: Vec<Waiting>, new: &[usize]) {
        if !new.is_empty() {
            self.inbox_hint.notify_one();
        }
        for (position, waiting) in group.into_iter().enumerate() {
            let provider = waiting.event.provider.as_str();
            let stored = match new.binary_search(&position) {
                Ok(_) => {
                    metrics::counter!(EVENTS_STORED, "provider" => provider).increment(1);
                    Stored::New
                }
                Err(_) => {
                    metrics::counter!(EVENTS_DUPLICATE, "provider" => provider).increment(1);
                    Stored::Duplicate
                }
            };
            // The client may have gone; the event is stored all the same.
            let _ = waiting.answer.send(Ok(stored));
        }
    }
}

fn refuse(group: Vec<Waiting>, error: &WriteError) {
    tracing::warn!(events = group.len(), %error, "a group of webhooks was not stored");
    let answer = match error {
        WriteError::Data(_) => StoreError::Refused,
        WriteError::Database(_) | WriteError::TooSlow => StoreError::Unavailable,
    };
    for waiting in group {
        let _ = waiting.answer.send(Err(answer));
    }
}

fn split_by_size(group: Vec<Waiting>) -> Vec<Vec<Waiting>> {
    let mut parts: Vec<Vec<Waiting>> = Vec::new();
    let mut bytes = 0;
    for waiting in group {
        let size = waiting.event.body.len();
        match parts.last_mut() {
            Some(part) if bytes + size <= MAX_GROUP_BYTES => {
                bytes += size;
                part.push(waiting);
            }
            _ => {
                bytes = size;
                parts.push(vec![waiting]);
            }
        }
    }
    parts
}
