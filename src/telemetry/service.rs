//! The service metrics: what waits in the database, as gauges.
//!
//! One task of the elected process reads them; a scrape never does, so that
//! scraping more often costs the database nothing. They have a recorder of
//! their own, so that a process that is no longer elected shows none of them.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use ::metrics::{gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::database::{self, Schedule, Server};
use super::election::Candidate;
use super::page::Page;
use super::pools::Named;
use super::readiness::Check;
use super::{metrics, names, pools, process};
use crate::status::{self, Status, StatusError};

/// Time between two readings, from the end of one on.
const EVERY: Duration = Duration::from_secs(5);
/// A reading that takes longer is given up and counted as an error.
const DEADLINE: Duration = Duration::from_secs(10);
/// Schedules are asked for this seldom.
const SCHEDULES_EVERY: Duration = Duration::from_secs(60);

/// Exports the figures of the process, and those of the service while elected,
/// until `stop`; does the recorders' upkeep. The first of the pools is read from.
pub async fn run(pools: Vec<Named>, page: Page, ready: Check, stop: CancellationToken) {
    let Some(pool) = pools.first().map(|(_, pool)| pool.clone()) else { return };
    let mut ticks = tokio::time::interval(EVERY);
    // A slow database is not asked more often to make up for it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let candidate = Candidate::default();
    let mut elected = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let turns = async { tokio::join!(turn(&mut elected, &candidate, &pool, &page), process_turn(&pools, &ready)) };
        tokio::select! {
            () = stop.cancelled() => break,
            _ = turns => {}
        }
        page.run_upkeep();
    }
    // First off the page: no moment shows the figures twice.
    page.hide();
    candidate.resign(&pool).await;
}

/// What every process tells of itself.
async fn process_turn(pools: &[Named], ready: &Check) {
    process::export();
    gauge!(names::READY).set(if ready().await.is_empty() { 1.0 } else { 0.0 });
    pools::probe(pools).await;
}

async fn turn(elected: &mut Option<Elected>, candidate: &Candidate, pool: &PgPool, page: &Page) {
    let work = async {
        clock(pool).await?;
        let Some(until) = candidate.stand(pool).await? else {
            if elected.take().is_some() {
                tracing::info!("another process exports the service metrics now");
            }
            page.hide();
            return Ok(());
        };
        let mine = match elected {
            Some(mine) => mine,
            None => elected.insert(Elected::new()?),
        };
        mine.show(page, until);
        mine.exporter.read_within(&mine.recorder, pool).await
    };
    let failed = match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", DEADLINE.as_secs()),
    };
    ::metrics::counter!(names::SERVICE_ERRORS).increment(1);
    tracing::warn!(error = failed, "the service metrics could not be read and keep their last values");
}

/// The recorder of an elected process.
struct Elected {
    recorder: PrometheusRecorder,
    exporter: Exporter,
}

impl Elected {
    fn new() -> Result<Self, ReadError> {
        let recorder = metrics::recorder()?;
        with_local_recorder(&recorder, metrics::describe_service);
        Ok(Self { recorder, exporter: Exporter::default() })
    }

    /// Until the first reading there is nothing to show.
    fn show(&self, page: &Page, until: Instant) {
        page.show(self.recorder.handle(), until);
    }
}

/// Why the figures could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The status could not be read.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The database could not be asked.
    #[error("cannot read the service metrics: {0}")]
    Database(#[from] sqlx::Error),
    /// No recorder could be made.
    #[error("cannot record the service metrics: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}

/// Compares the process's clock with the database's.
#[expect(clippy::disallowed_methods, reason = "it is our own clock that is compared with the database's")]
async fn clock(pool: &PgPool) -> Result<(), sqlx::Error> {
    let before = SystemTime::now();
    let began = Instant::now();
    let now = sqlx::query_scalar!(r#"SELECT extract(epoch FROM clock_timestamp())::float8 AS "now!""#)
        .fetch_one(pool)
        .await?;
    // The database looked at its clock somewhere in between; half the way is the best guess.
    let middle = before + began.elapsed() / 2;
    let here = middle.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    gauge!(names::CLOCK_SKEW).set(here - now);
    Ok(())
}

/// Sets the metrics that never change: version, and the start by the
/// database's clock.
///
/// # Errors
/// When the database cannot be asked for its clock.
pub async fn export_start(pool: &PgPool) -> Result<(), sqlx::Error> {
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let now = sqlx::query_scalar!(r#"SELECT extract(epoch FROM now())::float8 AS "now!""#).fetch_one(pool).await?;
    gauge!(names::START_TIME).set(now);
    Ok(())
}

/// Sets the gauges; remembers label values so that what is gone becomes 0
/// instead of staying what it was.
#[derive(Debug, Default)]
pub struct Exporter {
    queues: HashSet<String>,
    dead: HashSet<String>,
    reasons: HashSet<String>,
    schedules: HashSet<String>,
    fired: HashSet<String>,
    schedules_read: Option<Instant>,
}

/// Everything that one reading brings.
struct Figures {
    status: Status,
    server: Server,
    /// `None` when it was not their turn.
    schedules: Option<Vec<Schedule>>,
}

impl Exporter {
    /// Reads the figures once and sets every gauge of the group.
    ///
    /// # Errors
    /// When the database cannot be asked; the gauges keep their values.
    pub async fn read(&mut self, pool: &PgPool) -> Result<(), ReadError> {
        let figures = self.collect(pool).await?;
        self.export(&figures);
        Ok(())
    }

    /// The same into a recorder that is not the process's.
    async fn read_within(&mut self, recorder: &PrometheusRecorder, pool: &PgPool) -> Result<(), ReadError> {
        let figures = self.collect(pool).await?;
        with_local_recorder(recorder, || self.export(&figures));
        Ok(())
    }

    async fn collect(&mut self, pool: &PgPool) -> Result<Figures, ReadError> {
        let due = self.schedules_read.is_none_or(|read| read.elapsed() >= SCHEDULES_EVERY);
        let schedules = if due { Some(database::read_schedules(pool).await?) } else { None };
        let figures =
            Figures { status: status::collect(pool).await?, server: database::read_server(pool).await?, schedules };
        if due {
            self.schedules_read = Some(Instant::now());
        }
        Ok(figures)
    }

    fn export(&mut self, figures: &Figures) {
        let status = &figures.status;
        figures.server.export();
        if let Some(schedules) = &figures.schedules {
            database::export_schedules(schedules, &mut self.fired);
        }
        pipeline(status);
        let reasons = status.quarantine.iter().map(|q| (&q.reason, q.events as f64));
        labelled(names::QUARANTINE, "reason", &mut self.reasons.clone(), reasons);
        let oldest = status.quarantine.iter().map(|q| (&q.reason, q.oldest_seconds.max(0.0)));
        labelled(names::QUARANTINE_OLDEST, "reason", &mut self.reasons, oldest);
        let dead = status.dead_jobs.iter().map(|d| (&d.job, d.dead as f64));
        labelled(names::JOBS_DEAD, "kind", &mut self.dead, dead);
        self.queues(status);
        self.schedules(status);
        gauge!(names::SERVICE_READ).set(status.at.timestamp_millis() as f64 / 1000.0);
    }

    fn queues(&mut self, status: &Status) {
        let queues = &status.queues;
        // Each call brings its own copy of the known names up to date; the last keeps it.
        labelled(
            names::JOBS_READY,
            "queue",
            &mut self.queues.clone(),
            queues.iter().map(|q| (&q.queue, q.ready as f64)),
        );
        labelled(
            names::JOBS_RUNNING,
            "queue",
            &mut self.queues.clone(),
            queues.iter().map(|q| (&q.queue, q.running as f64)),
        );
        let oldest = queues.iter().map(|q| (&q.queue, q.oldest_ready_seconds.unwrap_or(0.0)));
        labelled(names::QUEUE_OLDEST, "queue", &mut self.queues.clone(), oldest);
        let paused = queues.iter().map(|q| (&q.queue, f64::from(u8::from(q.paused))));
        labelled(names::QUEUE_PAUSED, "queue", &mut self.queues, paused);
    }

    fn schedules(&mut self, status: &Status) {
        let next = status.schedules.iter().map(|s| {
            let next = s.next_fire_at.filter(|_| !s.paused);
            (&s.name, next.map_or(0.0, |at| at.timestamp() as f64))
        });
        labelled(names::CRON_NEXT_FIRE, "schedule", &mut self.schedules.clone(), next);
        let paused = status.schedules.iter().map(|s| (&s.name, f64::from(u8::from(s.paused))));
        labelled(names::CRON_PAUSED, "schedule", &mut self.schedules, paused);
    }
}

fn pipeline(status: &Status) {
    gauge!(names::INBOX_WAITING, "state" => "ready").set(status.inbox.ready as f64);
    gauge!(names::INBOX_WAITING, "state" => "waiting").set(status.inbox.waiting as f64);
    gauge!(names::INBOX_OLDEST).set(status.inbox.oldest_seconds.unwrap_or(0.0).max(0.0));
    let mut behind = status.inbox.oldest_seconds.unwrap_or(0.0).max(0.0);
    for tier in &status.tiers {
        // A tier is made of the ones before it, and those of the inbox.
        behind = behind.max(tier.lag_seconds);
        let complete_until = status.at.timestamp_millis() as f64 / 1000.0 - behind;
        gauge!(names::COMPLETE_UNTIL, "tier" => tier.tier).set(complete_until);
        gauge!(names::DIRTY_BUCKETS, "tier" => tier.tier).set(tier.dirty_buckets as f64);
        gauge!(names::ROLLUP_LAG, "tier" => tier.tier).set(tier.lag_seconds);
        gauge!(names::FAILING_BUCKETS, "tier" => tier.tier).set(tier.failing_buckets as f64);
    }
    backfills(status);
    let waiting = &status.analyses;
    for (reason, analyses) in [
        ("due", waiting.due),
        ("claimed", waiting.claimed),
        ("retry", waiting.retry),
        ("spending_cap", waiting.spending_cap),
    ] {
        gauge!(names::ANALYSES_WAITING, "reason" => reason).set(analyses as f64);
    }
    gauge!(names::FOLDS_WAITING).set(waiting.folds as f64);
    gauge!(names::NOTIFICATION_DELIVERIES, "state" => "pending").set(status.notifications.pending as f64);
    gauge!(names::NOTIFICATION_DELIVERIES, "state" => "failed").set(status.notifications.failed as f64);
    gauge!(names::NOTIFICATION_OLDEST_DUE).set(status.notifications.oldest_due_seconds.unwrap_or(0.0).max(0.0));
    reconcile(status);
    if let Some(age) = status.kpi_view_age_seconds {
        gauge!(names::KPI_AGE).set(age.max(0.0));
    }
    gauge!(names::CACHE_OLDEST).set(status.dashboard_cache_oldest_seconds.unwrap_or(0.0).max(0.0));
}

fn backfills(status: &Status) {
    let (mut units, mut done, mut failed, mut calls_left, mut eta) = (0, 0, 0, 0, 0.0_f64);
    for backfill in &status.backfills {
        units += backfill.units;
        done += backfill.units_done;
        failed += backfill.units_failed;
        calls_left += backfill.calls - backfill.calls_done;
        eta = eta.max(backfill.eta_seconds.unwrap_or(0.0));
    }
    gauge!(names::BACKFILL_UNITS, "state" => "ready").set((units - done - failed) as f64);
    gauge!(names::BACKFILL_UNITS, "state" => "done").set(done as f64);
    gauge!(names::BACKFILL_UNITS, "state" => "failed").set(failed as f64);
    gauge!(names::BACKFILL_CALLS_LEFT).set(calls_left as f64);
    gauge!(names::BACKFILL_ETA).set(eta);
}

fn reconcile(status: &Status) {
    let r = &status.reconcile;
    let accounts = [("in_use", r.accounts_in_use), ("failing", r.accounts_failing), ("disabled", r.accounts_disabled)];
    for (state, count) in accounts {
        gauge!(names::RECONCILE_ACCOUNTS, "state" => state).set(count as f64);
    }
    gauge!(names::RECONCILE_TENANTS_WITHOUT).set(r.tenants_without as f64);
    gauge!(names::RECONCILE_WATERMARK).set(r.oldest_watermark_seconds.unwrap_or(0.0).max(0.0));
    gauge!(names::RECONCILE_CALLS, "result" => "unknown").set(r.unknown_calls as f64);
    gauge!(names::RECONCILE_CALLS, "result" => "refused").set(r.refused_answers as f64);
}

pub(super) fn labelled<'a>(
    name: &'static str,
    label: &'static str,
    known: &mut HashSet<String>,
    values: impl Iterator<Item = (&'a String, f64)>,
) {
    let mut gone = std::mem::take(known);
    for (value, figure) in values {
        gauge!(name, label => value.clone()).set(figure);
        gone.remove(value);
        known.insert(value.clone());
    }
    for value in gone {
        gauge!(name, label => value.clone()).set(0.0);
        known.insert(value);
    }
}
