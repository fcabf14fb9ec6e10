//! Fires schedules: each due time once, whatever the number of schedulers.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::{
    cron::Cron,
    error::QueueError,
    hint::Hint,
    pace::Pace,
    schedule::ScheduleSpec,
    telemetry::{CRON_MISSED, ENQUEUED},
    timing::{POLL_GREATEST, POLL_LEAST, RETRY_GREATEST},
};

/// Fires taken from one schedule by one transaction.
const FIRES_AT_ONCE: usize = 500;

/// Later than this a fire counts as missed.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// Fires a list of schedules.
#[derive(Debug)]
pub struct Scheduler {
    pool: PgPool,
    specs: Vec<(ScheduleSpec, Cron)>,
}

/// A schedule row, locked.
struct Due {
    kind: String,
    queue: String,
    priority: i16,
    max_attempts: i32,
    cron: String,
    timezone: String,
    payload: Value,
    missed: String,
    overlap: String,
    next_fire_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Scheduler {
    /// A scheduler of exactly these schedules: [`Self::sync`] deletes others.
    ///
    /// # Errors
    /// [`QueueError::Schedule`] when an expression or a zone is not valid, or a name comes twice.
    pub fn new(pool: PgPool, specs: Vec<ScheduleSpec>) -> Result<Self, QueueError> {
        let mut names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next) {
            let reason = "is listed twice".to_owned();
            return Err(QueueError::Schedule { name: (*name).to_owned(), reason });
        }
        let specs = specs.into_iter().map(|spec| spec.parse().map(|cron| (spec, cron))).collect::<Result<_, _>>()?;
        Ok(Self { pool, specs })
    }

    /// Writes the list into the database and deletes schedules that are not in
    /// it. Pauses stay; a changed expression or zone counts from now.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn sync(&self) -> Result<(), QueueError> {
        let mut tx = self.pool.begin().await?;
        let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *tx).await?;
        let names: Vec<String> = self.specs.iter().map(|(spec, _)| spec.name.clone()).collect();
        sqlx::query!("DELETE FROM tally.schedules WHERE NOT name = ANY ($1)", &names).execute(&mut *tx).await?;
        let mut specs: Vec<_> = self.specs.iter().collect();
        // In order, so that two processes that start at once do not lock each other out.
        specs.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        for (spec, cron) in specs {
            sqlx::query_file!(
                "../../sql/queue/schedule_sync.sql",
                spec.name,
                spec.kind,
                spec.queue,
                spec.priority,
                spec.max_attempts,
                spec.cron,
                spec.timezone,
                spec.payload,
                spec.missed.as_str(),
                spec.overlap.as_str(),
                cron.next_after(now),
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes the list, then fires what is due until stopped. Errors of the
    /// database are logged and retried.
    pub async fn run(self, stop: CancellationToken, hint: Hint) {
        let mut failing = Pace::new(POLL_LEAST, RETRY_GREATEST);
        let mut synced = false;
        loop {
            let turn = async {
                if !synced {
                    self.sync().await?;
                    synced = true;
                }
                self.fire_due().await
            };
            // A turn that is cut off has committed or has not; both are whole.
            let Some(result) = stop.run_until_cancelled(turn).await else { return };
            let wait = match result {
                Ok(enqueued) => {
                    failing.reset();
                    if enqueued > 0 {
                        hint.ring();
                    }
                    POLL_GREATEST
                }
                Err(error) => {
                    tracing::warn!(%error, "scheduler failed, will be retried");
                    failing.step()
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Fires everything that is due now; returns the number of jobs.
    ///
    /// # Errors
    /// [`QueueError::Database`]. What was fired before stays fired.
    pub async fn fire_due(&self) -> Result<usize, QueueError> {
        let due = sqlx::query_file_scalar!("../../sql/queue/schedules_due.sql").fetch_all(&self.pool).await?;
        let mut enqueued = 0;
        let mut failure = None;
        for name in due {
            // One that cannot be fired must not hold up those behind it.
            match self.fire(&name).await {
                Ok(jobs) => enqueued += jobs,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(enqueued), Err)
    }

    /// Fires one schedule until it is no longer due; returns the number of jobs.
    async fn fire(&self, name: &str) -> Result<usize, QueueError> {
        let mut enqueued = 0;
        loop {
            let mut tx = self.pool.begin().await?;
            let due =
                sqlx::query_file_as!(Due, "../../sql/queue/schedule_take.sql", name).fetch_optional(&mut *tx).await?;
            let Some(due) = due else { return Ok(enqueued) };
            enqueued += due.fire(name, &mut tx).await?;
            tx.commit().await?;
        }
    }
}

impl Due {
    /// Enters the fires into the ledger, with their jobs, and sets the next.
    async fn fire(&self, name: &str, tx: &mut PgConnection) -> Result<usize, QueueError> {
        // The row says what to fire: it may be newer than this process.
        let cron = Cron::parse(&self.cron, &self.timezone)
            .map_err(|error| QueueError::Schedule { name: name.to_owned(), reason: error.to_string() })?;
        let mut times: Vec<DateTime<Utc>> = vec![self.next_fire_at];
        times.extend(cron.fires(self.next_fire_at, self.now).take(FIRES_AT_ONCE - 1));
        let next = times.last().and_then(|last| cron.next_after(*last));

        let mut jobs = Vec::with_capacity(times.len());
        let mut outcomes = Vec::with_capacity(times.len());
        for (position, fire_at) in times.iter().enumerate() {
            // The last of all that are due, not just of those taken now.
            let is_last = position + 1 == times.len() && next.is_none_or(|next| next > self.now);
            let (job_id, outcome) = self.decide(name, *fire_at, is_last, tx).await?;
            jobs.push(job_id);
            outcomes.push(outcome.to_owned());
        }
        sqlx::query_file!("../../sql/queue/schedule_fired.sql", name, &times, &jobs as &[Option<i64>], &outcomes)
            .execute(&mut *tx)
            .await?;
        sqlx::query!("UPDATE tally.schedules SET next_fire_at = $2 WHERE name = $1", name, next)
            .execute(&mut *tx)
            .await?;

        let enqueued = jobs.iter().flatten().count();
        let missed = outcomes.iter().filter(|outcome| *outcome == "skipped_missed").count();
        metrics::counter!(CRON_MISSED, "job" => self.kind.clone()).increment(missed as u64);
        metrics::counter!(ENQUEUED, "job" => self.kind.clone()).increment(enqueued as u64);
        Ok(enqueued)
    }

    async fn decide(
        &self,
        name: &str,
        fire_at: DateTime<Utc>,
        is_last: bool,
        tx: &mut PgConnection,
    ) -> Result<(Option<i64>, &'static str), QueueError> {
        let wanted = match self.missed.as_str() {
            "catch_up" => true,
            "coalesce" => is_last,
            _ => is_last && self.now - fire_at <= LATE,
        };
        if !wanted {
            return Ok((None, "skipped_missed"));
        }
        match self.enqueue(name, tx).await? {
            Some(id) => Ok((Some(id), "enqueued")),
            None => Ok((None, "skipped_overlap")),
        }
    }

    /// The job of a fire; `None` when the policy for overlap forbids it.
    async fn enqueue(&self, name: &str, tx: &mut PgConnection) -> Result<Option<i64>, QueueError> {
        let key = format!("schedule:{name}");
        let id = match self.overlap.as_str() {
            "allow" => {
                let id = sqlx::query_scalar!(
                    r#"SELECT tally.enqueue_job($1, $2, queue => $3, priority => $4, max_attempts => $5) AS "id!""#,
                    self.kind,
                    self.payload,
                    self.queue,
                    i32::from(self.priority),
                    self.max_attempts,
                );
                Some(id.fetch_one(tx).await?)
            }
            "queue" => {
                let id = sqlx::query_file_scalar!(
                    "../../sql/queue/request.sql",
                    self.kind,
                    key,
                    None::<uuid::Uuid>,
                    0.0,
                    self.payload,
                    self.queue,
                    i32::from(self.priority),
                    self.max_attempts,
                );
                Some(id.fetch_one(tx).await?)
            }
            _ => {
                let id = sqlx::query_file_scalar!(
                    "../../sql/queue/schedule_enqueue_once.sql",
                    self.kind,
                    self.queue,
                    key,
                    self.payload,
                    self.priority,
                    self.max_attempts,
                );
                id.fetch_optional(tx).await?
            }
        };
        Ok(id)
    }
}
