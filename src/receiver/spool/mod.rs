//! Where webhooks wait on disk while the database is away.
//!
//! The receiver appends an accepted webhook to a file, syncs, and answers 202.
//! When the database is back, a task writes the files to the inbox, by the same
//! statement as everything else, and removes each after its COMMIT. So an
//! acknowledged webhook is in one of both at every instant; for a moment in both,
//! and the inbox knows it by its hash.

mod directory;
mod drain;
pub mod record;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, oneshot};

pub use directory::OpenError;
pub use drain::Drain;

use self::directory::Directory;
use self::writer::{Command, Writer};
use super::group_commit::NewEvent;
use super::metrics::{SPOOL_BYTES, SPOOL_EVENTS, SPOOL_MAX, SPOOL_OLDEST, SPOOL_OUTCOMES};

/// Events that may wait for their sync; more are refused.
const MAX_WAITING: usize = 4_096;

/// How large the spool may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of all files together.
    pub max_bytes: u64,
    /// A file that has become so large is closed.
    pub segment_bytes: u64,
}

/// Moments between which a process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Events are in the file, not yet on the disk.
    Appended,
    /// They are on the disk, not yet acknowledged.
    Synced,
    /// A file's events are in the inbox; the file is still there.
    Committed,
    /// The file is gone.
    Removed,
}

/// Is told of every step; for tests that end the process there.
pub type Steps = Arc<dyn Fn(Step) + Send + Sync>;

/// Why an event was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool is full")]
    Full,
    #[error("the spool's disk failed")]
    Disk,
}

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    pub events: u64,
    pub bytes: u64,
    /// When the oldest was received.
    pub oldest: Option<DateTime<Utc>>,
}

/// One file.
#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    events: u64,
    bytes: u64,
    oldest: Option<DateTime<Utc>>,
    open: bool,
}

/// What writer, drain and requests share.
struct Shared {
    directory: Directory,
    segments: Mutex<BTreeMap<u64, Segment>>,
    /// Highest number of a file that was ever used.
    last_number: Mutex<u64>,
    /// Whether the database was away when somebody last asked.
    away: AtomicBool,
    /// Rung when there is something to drain, or to ask the database for.
    wake: Notify,
    steps: Steps,
}

/// The spool of a process.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Spool {
    /// Takes the directory, and finds what an earlier process left in it.
    ///
    /// # Errors
    /// When the directory cannot be used, or another process uses it.
    pub fn open(path: &Path, limits: Limits, steps: Steps) -> Result<Self, OpenError> {
        let directory = Directory::open(path)?;
        let failed = |error| OpenError::Io { path: path.to_owned(), error };
        let mut segments = BTreeMap::new();
        for number in directory.segments().map_err(failed)? {
            let (contents, bytes) = directory.read(number).map_err(failed)?;
            let oldest = contents.events.iter().filter_map(|event| event.received_at).min();
            segments.insert(number, Segment { events: contents.events.len() as u64, bytes, oldest, open: false });
        }
        let last_number = Mutex::new(segments.keys().last().copied().unwrap_or(0));
        let shared = Arc::new(Shared {
            directory,
            segments: Mutex::new(segments),
            last_number,
            away: AtomicBool::new(false),
            wake: Notify::new(),
            steps,
        });
        shared.export();
        metrics::gauge!(SPOOL_MAX).set(limits.max_bytes as f64);
        let (commands, waiting) = mpsc::channel(MAX_WAITING);
        let writer = Writer { shared: Arc::clone(&shared), limits, commands: waiting, open: None };
        std::thread::Builder::new().name("spool".to_owned()).spawn(move || writer.run()).map_err(failed)?;
        Ok(Self { shared, commands })
    }

    /// Keeps an event, which must have the time when it was received; returns when
    /// it is on the disk.
    ///
    /// # Errors
    /// When there is no room, or the disk refuses.
    pub async fn append(&self, event: NewEvent) -> Result<(), SpoolError> {
        let (answer, answered) = oneshot::channel();
        let kept = match self.commands.try_send(Command::Append(event, answer)) {
            Ok(()) => answered.await.unwrap_or(Err(SpoolError::Disk)),
            Err(_) => Err(SpoolError::Full),
        };
        let outcome = if kept.is_ok() { "spooled" } else { "refused" };
        metrics::counter!(SPOOL_OUTCOMES, "outcome" => outcome).increment(1);
        self.shared.wake.notify_one();
        kept
    }

    /// Whether the database was away when somebody last asked it.
    pub fn is_database_away(&self) -> bool {
        self.shared.away.load(Ordering::Relaxed)
    }

    /// Somebody found the database away: until the drain finds it back, nobody
    /// else needs to wait for it.
    pub fn database_is_away(&self) {
        if !self.shared.away.swap(true, Ordering::Relaxed) {
            tracing::warn!("the database is away; webhooks go to the spool");
        }
        self.shared.wake.notify_one();
    }

    /// What waits.
    pub fn depth(&self) -> Depth {
        self.shared.depth()
    }

    /// Closes the file that is written to, so that it can be drained.
    async fn seal(&self) {
        let (done, sealed) = oneshot::channel();
        if self.commands.send(Command::Seal(done)).await.is_ok() {
            let _ = sealed.await;
        }
    }
}

impl Shared {
    fn segments(&self) -> MutexGuard<'_, BTreeMap<u64, Segment>> {
        // Whoever panicked while holding it left a map that is whole.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn depth(&self) -> Depth {
        self.segments().values().fold(Depth::default(), |sum, segment| Depth {
            events: sum.events + segment.events,
            bytes: sum.bytes + segment.bytes,
            oldest: sum.oldest.into_iter().chain(segment.oldest).min(),
        })
    }

    fn bytes(&self) -> u64 {
        self.depth().bytes
    }

    fn next_number(&self) -> u64 {
        let mut last = self.last_number.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        *last
    }

    fn began(&self, number: u64) {
        let bytes = record::HEADER.len() as u64;
        self.segments().insert(number, Segment { bytes, open: true, ..Segment::default() });
    }

    fn added<'a>(&self, number: u64, bytes: u64, events: impl Iterator<Item = &'a NewEvent>) {
        if let Some(segment) = self.segments().get_mut(&number) {
            segment.bytes += bytes;
            for event in events {
                segment.events += 1;
                segment.oldest = segment.oldest.into_iter().chain(event.received_at).min();
            }
        }
        self.export();
    }

    fn sealed(&self, number: u64) {
        if let Some(segment) = self.segments().get_mut(&number) {
            segment.open = false;
        }
    }

    /// The first file that is not written to any more.
    fn first_sealed(&self) -> Option<u64> {
        self.segments().iter().find_map(|(number, segment)| (!segment.open).then_some(*number))
    }

    fn forget(&self, number: u64) {
        self.segments().remove(&number);
        self.export();
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.directory.remove(number)
    }

    fn export(&self) {
        let depth = self.depth();
        metrics::gauge!(SPOOL_EVENTS).set(depth.events as f64);
        metrics::gauge!(SPOOL_BYTES).set(depth.bytes as f64);
        metrics::gauge!(SPOOL_OLDEST).set(depth.oldest.map_or(0.0, |at| at.timestamp_micros() as f64 / 1e6));
    }
}
