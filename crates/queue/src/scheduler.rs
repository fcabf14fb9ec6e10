//! Fires schedules: each due time once, whatever the number of schedulers.

use std::{collections::HashMap, time::Duration};

use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    claimer::in_time,
    cron::Cron,
    error::QueueError,
    fire::{Entered, Held},
    hint::Hint,
    pace::Pace,
    schedule::ScheduleSpec,
    telemetry::{CRON_ERRORS, CRON_FIRES, CRON_LATENESS, CRON_MISSED, ENQUEUED},
    timing::{POLL_GREATEST, POLL_LEAST, RETRY_GREATEST},
};

/// For what one transaction fires of one schedule, hundreds of jobs at most.
const FIRE_DEADLINE: Duration = Duration::from_secs(60);

/// Fires a list of schedules.
#[derive(Debug)]
pub struct Scheduler {
    pool: PgPool,
    specs: Vec<(ScheduleSpec, Cron)>,
}

/// What one round over all schedules did.
#[derive(Default)]
struct Turn {
    enqueued: usize,
    failures: Vec<(String, QueueError)>,
    /// Until the next schedule is due; `None` when none will be.
    next: Option<Duration>,
}

/// Schedules that could not be fired, and until when each is left alone.
type Resting = HashMap<String, (Pace, Instant)>;

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
    /// it. Pauses stay; a changed expression, zone, gap or fold counts from now.
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
                spec.catch_up_max,
                spec.catch_up_within_seconds,
                spec.overlap.as_str(),
                spec.gap.as_str(),
                spec.fold.as_str(),
                spec.jitter_seconds,
                cron.next_after(now),
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes the list, then fires what is due until stopped. Errors of the
    /// database are logged and retried; a schedule that cannot be fired rests and
    /// holds up no other.
    pub async fn run(self, stop: CancellationToken, hint: Hint) {
        let mut failing = Pace::new(POLL_LEAST, RETRY_GREATEST);
        let mut resting = Resting::new();
        let mut synced = false;
        loop {
            let turn = async {
                if !synced {
                    self.sync().await?;
                    synced = true;
                }
                self.turn(&mut resting).await
            };
            // A turn that is cut off has committed or has not; both are whole.
            let Some(result) = stop.run_until_cancelled(turn).await else { return };
            let wait = match result {
                Ok(turn) => {
                    failing.reset();
                    if turn.enqueued > 0 {
                        hint.ring();
                    }
                    turn.next.map_or(POLL_GREATEST, |next| next.min(POLL_GREATEST))
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
    /// [`QueueError::Database`], [`QueueError::Schedule`]: of the first schedule that
    /// could not be fired. The others are fired nevertheless.
    pub async fn fire_due(&self) -> Result<usize, QueueError> {
        let turn = self.turn(&mut Resting::new()).await?;
        turn.failures.into_iter().next().map_or(Ok(turn.enqueued), |(_, error)| Err(error))
    }

    /// One transaction for each schedule that is due, again and again until none
    /// is: one with thousands of times to make up for lets the others go between.
    async fn turn(&self, resting: &mut Resting) -> Result<Turn, QueueError> {
        let mut turn = Turn::default();
        loop {
            let due = sqlx::query_file!("../../sql/queue/schedules_due.sql").fetch_all(&self.pool);
            let schedules = in_time(due).await?;
            let later = schedules.iter().map(|schedule| schedule.in_seconds).find(|seconds| *seconds > 0.0);
            turn.next = later.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let mut fired = false;
            for schedule in schedules.into_iter().filter(|schedule| schedule.in_seconds <= 0.0) {
                let name = schedule.name;
                if resting.get(&name).is_some_and(|(_, until)| *until > Instant::now()) {
                    continue;
                }
                match self.fire(&name).await {
                    Ok(Some(enqueued)) => {
                        fired = true;
                        turn.enqueued += enqueued;
                        resting.remove(&name);
                    }
                    // Another scheduler has it.
                    Ok(None) => {}
                    Err(error) => {
                        let entry = resting.entry(name.clone());
                        let (pace, until) =
                            entry.or_insert_with(|| (Pace::new(POLL_GREATEST, RETRY_GREATEST), Instant::now()));
                        *until = Instant::now() + pace.step();
                        metrics::counter!(CRON_ERRORS, "schedule" => name.clone()).increment(1);
                        tracing::warn!(schedule = name, %error, "schedule cannot be fired, will be retried");
                        turn.failures.push((name, error));
                    }
                }
            }
            if !fired {
                return Ok(turn);
            }
        }
    }

    /// Fires what is due of one schedule, as much as one transaction takes; returns
    /// the number of jobs, `None` when it is not due or another scheduler has it.
    async fn fire(&self, name: &str) -> Result<Option<usize>, QueueError> {
        // Else a connection that died unnoticed would end all schedules.
        match tokio::time::timeout(FIRE_DEADLINE, self.fire_in_time(name)).await {
            Ok(fired) => fired,
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }

    async fn fire_in_time(&self, name: &str) -> Result<Option<usize>, QueueError> {
        let mut tx = self.pool.begin().await?;
        let held =
            sqlx::query_file_as!(Held, "../../sql/queue/schedule_take.sql", name).fetch_optional(&mut *tx).await?;
        let Some(held) = held else { return Ok(None) };
        pass::<sqlx::Error>(Point::ScheduleTaken)?;
        let entered = held.fire(name, &mut tx).await?;
        pass::<sqlx::Error>(Point::ScheduleBeforeCommit)?;
        tx.commit().await?;
        pass::<sqlx::Error>(Point::ScheduleAfterCommit)?;
        Ok(Some(count(name, &held, &entered)))
    }
}

/// Counts what was committed; returns the number of jobs.
fn count(name: &str, held: &Held, entered: &Entered) -> usize {
    for outcome in ["enqueued", "skipped_missed", "skipped_overlap"] {
        let fires = entered.count(outcome) as u64;
        metrics::counter!(CRON_FIRES, "schedule" => name.to_owned(), "outcome" => outcome).increment(fires);
    }
    for seconds in entered.lateness_seconds(held.now) {
        metrics::histogram!(CRON_LATENESS).record(seconds);
    }
    let enqueued = entered.count("enqueued");
    metrics::counter!(CRON_MISSED, "kind" => held.kind.clone()).increment(entered.count("skipped_missed") as u64);
    metrics::counter!(ENQUEUED, "kind" => held.kind.clone()).increment(enqueued as u64);
    enqueued
}
