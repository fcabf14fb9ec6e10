//! One schedule that is due: which of its times fire, and their jobs.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    cron::Cron,
    error::QueueError,
    jitter::jitter,
    policy::{Missed, Overlap},
};

/// Times taken from one schedule by one transaction.
const FIRES_AT_ONCE: usize = 500;

/// Later than this a fire counts as missed.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// A schedule row, locked by this transaction.
pub(crate) struct Held {
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) priority: i16,
    pub(crate) max_attempts: i32,
    pub(crate) cron: String,
    pub(crate) timezone: String,
    pub(crate) payload: Value,
    pub(crate) missed: String,
    pub(crate) catch_up_max: Option<i32>,
    pub(crate) catch_up_within_seconds: Option<i32>,
    pub(crate) overlap: String,
    pub(crate) gap: String,
    pub(crate) fold: String,
    pub(crate) jitter_seconds: i32,
    pub(crate) next_fire_at: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
}

/// What one transaction entered into the ledger.
#[derive(Default)]
pub(crate) struct Entered {
    pub(crate) times: Vec<DateTime<Utc>>,
    pub(crate) jobs: Vec<Option<i64>>,
    pub(crate) outcomes: Vec<String>,
}

impl Entered {
    fn push(&mut self, fire_at: DateTime<Utc>, job_id: Option<i64>, outcome: &str) {
        self.times.push(fire_at);
        self.jobs.push(job_id);
        self.outcomes.push(outcome.to_owned());
    }

    pub(crate) fn count(&self, outcome: &str) -> usize {
        self.outcomes.iter().filter(|entered| *entered == outcome).count()
    }

    /// How late the jobs of this batch were enqueued, each in seconds.
    pub(crate) fn lateness_seconds(&self, now: DateTime<Utc>) -> impl Iterator<Item = f64> + '_ {
        let enqueued = self.times.iter().zip(&self.jobs).filter(|(_, job)| job.is_some());
        enqueued.map(move |(fire_at, _)| (now - *fire_at).as_seconds_f64().max(0.0))
    }
}

impl Held {
    /// Enters the times that are due into the ledger, with their jobs, at most
    /// [`FIRES_AT_ONCE`], and sets the next.
    pub(crate) async fn fire(&self, name: &str, tx: &mut PgConnection) -> Result<Entered, QueueError> {
        let Some(first) = self.next_fire_at else { return Ok(Entered::default()) };
        let cron = self.cron(name)?;
        let overlap: Overlap = self.overlap.parse().map_err(|error| wrong(name, error))?;
        let mut times = vec![first];
        times.extend(cron.fires(first, self.now).take(FIRES_AT_ONCE - 1));
        let next = times.last().and_then(|last| cron.next_after(*last));
        let wanted_from = self.wanted_from(&cron, name, first)?;

        let mut entered = Entered::default();
        for fire_at in self.not_fired(name, times, tx).await? {
            if wanted_from.is_some_and(|from| fire_at < from) {
                entered.push(fire_at, None, "skipped_missed");
                continue;
            }
            let starts = fire_at + jitter(name, fire_at, self.jitter_seconds);
            match self.enqueue(name, overlap, starts, tx).await? {
                Some(id) => entered.push(fire_at, Some(id), "enqueued"),
                None => entered.push(fire_at, None, "skipped_overlap"),
            }
        }
        self.write(name, &entered, next, tx).await?;
        Ok(entered)
    }

    /// Enters all times up to now as passed by because of a pause, and sets the next.
    pub(crate) async fn pass_by(&self, name: &str, tx: &mut PgConnection) -> Result<Entered, QueueError> {
        let Some(first) = self.next_fire_at.filter(|first| *first <= self.now) else { return Ok(Entered::default()) };
        let cron = self.cron(name)?;
        let mut times = vec![first];
        times.extend(cron.fires(first, self.now));
        let mut entered = Entered::default();
        for fire_at in self.not_fired(name, times, tx).await? {
            entered.push(fire_at, None, "skipped_paused");
        }
        self.write(name, &entered, cron.next_after(self.now), tx).await?;
        Ok(entered)
    }

    /// The row says what to fire: it may be newer than this process.
    fn cron(&self, name: &str) -> Result<Cron, QueueError> {
        read_cron(name, [&self.cron, &self.timezone, &self.gap, &self.fold])
    }

    /// Before this a fire that is due counts as missed; `None`: none does.
    fn wanted_from(&self, cron: &Cron, name: &str, first: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, QueueError> {
        let (most, within) = match self.missed.parse().map_err(|error| wrong(name, error))? {
            Missed::Skip => (Some(1), Some(LATE)),
            Missed::Coalesce => (Some(1), None),
            Missed::CatchUp => {
                let within = self.catch_up_within_seconds.map(|seconds| TimeDelta::seconds(i64::from(seconds)));
                (self.catch_up_max.and_then(|most| usize::try_from(most).ok()), within)
            }
        };
        // Of all that are due, not just of those taken now.
        let newest = most.and_then(|most| cron.nth_last(most, first, self.now));
        Ok(newest.max(within.map(|within| self.now - within)))
    }

    /// A time that the ledger has does not fire again, whatever the clock of the
    /// database did, or somebody to the row. The lock on the row keeps others from
    /// entering it meanwhile.
    async fn not_fired(
        &self,
        name: &str,
        times: Vec<DateTime<Utc>>,
        tx: &mut PgConnection,
    ) -> Result<Vec<DateTime<Utc>>, QueueError> {
        let fired = sqlx::query_scalar!(
            "SELECT fire_at FROM tally.schedule_fires WHERE schedule = $1 AND fire_at = ANY ($2) AND NOT manual",
            name,
            &times
        )
        .fetch_all(tx)
        .await?;
        let fired: std::collections::HashSet<_> = fired.into_iter().collect();
        Ok(times.into_iter().filter(|time| !fired.contains(time)).collect())
    }

    async fn write(
        &self,
        name: &str,
        entered: &Entered,
        next: Option<DateTime<Utc>>,
        tx: &mut PgConnection,
    ) -> Result<(), QueueError> {
        let Entered { times, jobs, outcomes } = entered;
        sqlx::query_file!("../../sql/queue/schedule_fired.sql", name, times, jobs as &[Option<i64>], outcomes)
            .execute(&mut *tx)
            .await?;
        sqlx::query!("UPDATE tally.schedules SET next_fire_at = $2 WHERE name = $1", name, next).execute(tx).await?;
        Ok(())
    }

    /// The job of a fire, not before `starts`; `None` when the policy for overlap forbids it.
    pub(crate) async fn enqueue(
        &self,
        name: &str,
        overlap: Overlap,
        starts: DateTime<Utc>,
        tx: &mut PgConnection,
    ) -> Result<Option<i64>, QueueError> {
        let key = coalesce_key(name);
        let delay_seconds = (starts - self.now).as_seconds_f64().max(0.0);
        let id = match overlap {
            Overlap::Allow => {
                let id = sqlx::query_file_scalar!(
                    "../../sql/queue/schedule_enqueue.sql",
                    self.kind,
                    self.payload,
                    self.queue,
                    i32::from(self.priority),
                    self.max_attempts,
                    delay_seconds,
                );
                Some(id.fetch_one(tx).await?)
            }
            Overlap::Queue => {
                let id = sqlx::query_file_scalar!(
                    "../../sql/queue/request.sql",
                    self.kind,
                    key,
                    None::<uuid::Uuid>,
                    delay_seconds,
                    self.payload,
                    self.queue,
                    i32::from(self.priority),
                    self.max_attempts,
                );
                Some(id.fetch_one(tx).await?)
            }
            Overlap::Skip => {
                let id = sqlx::query_file_scalar!(
                    "../../sql/queue/schedule_enqueue_once.sql",
                    self.kind,
                    self.queue,
                    key,
                    self.payload,
                    self.priority,
                    self.max_attempts,
                    delay_seconds,
                );
                id.fetch_optional(tx).await?
            }
        };
        Ok(id)
    }
}

/// The key under which a schedule's jobs exclude or join one another.
pub(crate) fn coalesce_key(name: &str) -> String {
    format!("schedule:{name}")
}

/// The expression, zone, gap and fold of a row.
pub(crate) fn read_cron(name: &str, [cron, zone, gap, fold]: [&str; 4]) -> Result<Cron, QueueError> {
    let cron = Cron::parse(cron, zone).map_err(|error| wrong(name, error))?;
    let gap = gap.parse().map_err(|error| wrong(name, error))?;
    Ok(cron.gap(gap).fold(fold.parse().map_err(|error| wrong(name, error))?))
}

pub(crate) fn wrong(name: &str, error: impl std::error::Error) -> QueueError {
    QueueError::Schedule { name: name.to_owned(), reason: error.to_string() }
}
