//! The running process: which roles it plays, how they start and how they stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tallyline_jobs::analyze_leads::{self, Analyzer, BreakerOptions};
use tallyline_jobs::settings::{self, SettingsHandle};
use tallyline_jobs::{
    AnalyzeLeads, Backfill, CompleteLeads, DeliverNotifications, Deps, ProcessCallEvents, RollUp, archive_calls,
    audit_rollups, backfill, deliver_notifications, extend_calendar, process_call_events, purge_expired,
    reconcile_calls, roll_up,
};
use tallyline_queue::{Heartbeats, Hint, Job as _, Runner, RunnerBuilder};
use tallyline_secrets::{SealingKey, sealing};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::accounts::FirstRun;
use crate::accounts::guard::Gate;
use crate::config::{self, Config};
use crate::life::watchdog::Watchdog;
use crate::receiver::spool::{Limits, Spool};
use crate::receiver::{self, Receiver};
use crate::telemetry::otlp::Exporter;
use crate::{api, dashboard, schedules, telemetry};

/// When the grace is over: what did not end is cut off and given back, last
/// reports are written, connections closed, within this.
const AFTER_GRACE: Duration = Duration::from_secs(15);

/// What a process does. All of them by default; apart with `--roles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Receiver,
    Worker,
    Scheduler,
    Dashboard,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Receiver, Role::Worker, Role::Scheduler, Role::Dashboard];
}

impl FromStr for Role {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "receiver" => Ok(Role::Receiver),
            "worker" => Ok(Role::Worker),
            "scheduler" => Ok(Role::Scheduler),
            "dashboard" => Ok(Role::Dashboard),
            _ => bail!("unknown role \"{name}\"; roles are receiver, worker, scheduler, dashboard"),
        }
    }
}

/// A running process. Dropping it stops it without waiting; use [`Daemon::stop`].
pub struct Daemon {
    /// Where it listens.
    pub address: SocketAddr,
    pub pool: PgPool,
    shutdown: CancellationToken,
    runner: Option<Runner>,
    receiver: Option<Receiver>,
    tasks: JoinSet<anyhow::Result<()>>,
    grace: Duration,
    _watchdog: Watchdog,
    spans: Option<Exporter>,
}

/// Something did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("not everything ended within {} s; what was left is taken back by others when the lease has ended", .0.as_secs())]
pub struct NotStopped(Duration);

impl Daemon {
    /// Starts the given roles against a migrated database.
    ///
    /// # Errors
    /// When the database cannot be used, its schema is not this program's, the
    /// account is privileged, or the address is taken.
    pub async fn start(
        config: Arc<Config>,
        database_url: &str,
        roles: &[Role],
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let pool = usable_pool(&config, database_url).await?;
        let listener = TcpListener::bind(&config.http.listen)
            .await
            .with_context(|| format!("cannot listen on {} (http.listen)", config.http.listen))?;
        let spans = Exporter::start(&config.trace, label())?;
        let shutdown = CancellationToken::new();
        let heartbeats = Heartbeats::new();
        let mut tasks = JoinSet::new();
        let repeats = telemetry::logs::tell_repeats(shutdown.clone());
        tasks.spawn(async move {
            repeats.await;
            Ok(())
        });
        let inbox_hint = Hint::new();

        let receiver = if roles.contains(&Role::Receiver) {
            Some(start_receiver(&config, database_url, &inbox_hint, &shutdown, &mut tasks).await?)
        } else {
            None
        };
        let settings = SettingsHandle::load(&pool).await?;
        let gate = Gate::new(pool.clone(), settings.clone(), &config);
        let watched = settings::watch(pool.clone(), settings.clone(), shutdown.clone());
        tasks.spawn(async move {
            watched.await;
            Ok(())
        });
        let runner = start_runner(&config, &pool, settings, &inbox_hint, roles, &heartbeats)?;
        if let Some(runner) = &runner {
            extend_calendar::request(&pool).await?;
            runner.queue().hint();
        }

        let first_run = match roles.contains(&Role::Dashboard) {
            true => Some(first_run(&config, &gate, listener.local_addr()?).await?),
            false => None,
        };
        let page = telemetry::page::Page::from(metrics);
        let router = router(&gate, receiver.as_ref(), first_run, &page, &heartbeats);
        telemetry::service::export_start(&pool).await?;
        let (ready, stop) = (telemetry::readiness::database(pool.clone()), shutdown.clone());
        let mut pools = vec![("main", pool.clone())];
        pools.extend(receiver.as_ref().map(|receiver| ("receiver", receiver.pool().clone())));
        let exported = telemetry::service::run(pools, page, ready, stop);
        tasks.spawn(async move {
            exported.await;
            Ok(())
        });

        let address = listener.local_addr()?;
        let (http, stop) = (config.http.clone(), shutdown.clone());
        let serving = async move { receiver::serve(listener, router, &http, stop).await };
        let beat = heartbeats.add("HTTP server");
        tasks.spawn(async move { beat.during(serving).await.context("the HTTP server ended") });
        tracing::info!(%address, ?roles, "listening");
        let grace = Duration::from_secs(config.stop.grace_seconds);
        let _watchdog = Watchdog::start(heartbeats);
        Ok(Daemon { address, pool, shutdown, runner, receiver, tasks, grace, _watchdog, spans })
    }

    /// What is under way when the process is asked to stop has so long.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Returns when a part has ended by itself, which none should.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => error.into(),
            Some(Ok(Ok(()))) => anyhow::anyhow!("a part of the process ended"),
            None => std::future::pending().await,
        }
    }

    /// Stops in order: no new requests and no new jobs, what was accepted is
    /// committed, running jobs end or are given back.
    ///
    /// # Errors
    /// When something has not ended some seconds after the grace.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let (grace, until) = (self.grace, Instant::now() + self.grace);
        let runner = self.runner.take();
        let jobs = async {
            if let Some(runner) = runner {
                runner.shutdown(grace).await;
            }
        };
        let requests = async {
            if timeout_at(until, end_requests(&mut self.tasks, self.receiver.take())).await.is_err() {
                tracing::warn!("requests did not end in time and are cut off");
                self.tasks.abort_all();
            }
        };
        let everything = async {
            tokio::join!(jobs, requests);
            self.pool.close().await;
            if let Some(spans) = self.spans.take() {
                spans.finish().await;
            }
        };
        timeout_at(until + AFTER_GRACE, everything).await.map_err(|_| NotStopped(grace + AFTER_GRACE).into())
    }
}

/// The server first, then what it accepted.
async fn end_requests(tasks: &mut JoinSet<anyhow::Result<()>>, receiver: Option<Receiver>) {
    while tasks.join_next().await.is_some() {}
    if let Some(receiver) = receiver {
        receiver.finish().await;
    }
}

/// The pool of a process, once the database is found to be one that it may use.
async fn usable_pool(config: &Config, database_url: &str) -> anyhow::Result<PgPool> {
    let difference = tallyline_db::migrate::check(database_url).await?;
    if !difference.is_usable() {
        bail!(
            "the database's schema is not this program's: {difference:?}; run `tallyline migrate`, \
             put back what is missing as in migrations/schema.sql"
        );
    }
    if !difference.unknown.is_empty() {
        tracing::warn!(migrations = ?difference.unknown, "the schema is newer than this program: replace it soon");
    }
    let pool = connect(config, database_url).await?;
    tallyline_db::pool::refuse_privileged(&pool).await?;
    tallyline_db::pool::refuse_holes(&pool).await?;
    Ok(pool)
}

/// The pool of a process, as `tallyline_worker`.
///
/// # Errors
/// When the database cannot be reached or the account may not take the role.
pub async fn connect(config: &Config, database_url: &str) -> Result<PgPool, tallyline_db::PoolError> {
    connect_with(config, database_url, config.database.max_connections).await
}

async fn connect_with(
    config: &Config,
    database_url: &str,
    max_connections: u32,
) -> Result<PgPool, tallyline_db::PoolError> {
    let mut options = tallyline_db::PoolOptions::new(database_url);
    options.max_connections = max_connections;
    options.statement_timeout = Duration::from_secs(config.database.statement_timeout_seconds);
    options.idle_in_transaction_timeout = options.statement_timeout;
    tallyline_db::pool::connect(&options).await
}

/// The key that opens providers' secrets. With a database of its own every process
/// must be given the same: one made in each working directory would open nothing.
///
/// # Errors
/// When the key is missing or unusable.
pub fn sealing_key(config: &Config) -> anyhow::Result<SealingKey> {
    let generated = config.database.data_dir.join(sealing::KEY_FILE);
    if !config.database.url.is_empty() && config.secrets.key.is_empty() && !generated.exists() {
        bail!(
            "secrets.key is not set: with database.url every process needs the same key \
             (make one with `openssl rand -hex 32`, set it as TALLYLINE_SECRETS__KEY)"
        );
    }
    Ok(SealingKey::from_config(&config.secrets.key, &config.database.data_dir)?)
}

/// The receiver has connections of its own: however busy the jobs are, a webhook
/// is acknowledged in time.
async fn start_receiver(
    config: &Arc<Config>,
    database_url: &str,
    inbox_hint: &Hint,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Receiver> {
    let key = sealing_key(config)?;
    // One for each committer, some for looking endpoints up and for quarantine.
    let connections = u32::try_from(config.receiver.committers).unwrap_or(u32::MAX).saturating_add(4);
    let pool = connect_with(config, database_url, connections).await?;
    let stored = Arc::new(Notify::new());
    let spool = open_spool(&config.receiver)?;
    let receiver = Receiver::start(pool, Arc::clone(config), key, Arc::clone(&stored), spool, shutdown.clone());
    let (hint, stop) = (inbox_hint.clone(), shutdown.clone());
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stored.notified() => hint.ring(),
                () = stop.cancelled() => return Ok(()),
            }
        }
    });
    Ok(receiver)
}

fn open_spool(config: &config::Receiver) -> anyhow::Result<Option<Spool>> {
    if config.spool_dir.is_empty() {
        return Ok(None);
    }
    let limits = Limits { max_bytes: config.spool_max_bytes, segment_bytes: config.spool_segment_bytes };
    Ok(Some(Spool::open(config.spool_dir.as_ref(), limits, Arc::new(|_| ()))?))
}

/// The worker and the scheduler; none when the process plays neither role.
fn start_runner(
    config: &Config,
    pool: &PgPool,
    settings: SettingsHandle,
    inbox_hint: &Hint,
    roles: &[Role],
    heartbeats: &Heartbeats,
) -> anyhow::Result<Option<Runner>> {
    let (works, fires) = (roles.contains(&Role::Worker), roles.contains(&Role::Scheduler));
    if !works && !fires {
        return Ok(None);
    }
    let deps = Arc::new(deps(config, pool, settings, inbox_hint)?);
    let mut builder = Runner::builder(pool.clone(), tallyline_jobs::registry()?, Arc::clone(&deps))
        .label(label())
        .heartbeats(heartbeats)
        .history_days(config.retention.job_history_days)
        .schedules(schedules::specs(config)?, fires);
    builder = queue_limits(builder, &config.queue)?;
    let reconciliations = if works { config.reconcile.concurrency } else { 0 };
    builder = builder.queue(reconcile_calls::ReconcileCalls::QUEUE, reconciliations);
    if works {
        let (rollup_hint, leads_hint) = (Hint::new(), Hint::new());
        let process = ProcessCallEvents {
            pool: pool.clone(),
            options: process_options(config),
            settings: deps.settings.clone(),
            rollup_hint: rollup_hint.clone(),
            leads_hint: leads_hint.clone(),
        };
        let notify = DeliverNotifications::new(
            pool.clone(),
            deps.http.clone(),
            deps.sealing_key.clone(),
            notify_options(config),
        );
        let roll_up = RollUp { pool: pool.clone(), options: roll_up_options(config) };
        // Whoever waits for longer waits for a connection that is dead.
        let unit = Duration::from_secs(config.database.statement_timeout_seconds) * 2;
        builder = builder
            .queue("default", config.queue.concurrency)
            .drain(tallyline_jobs::process_drain(process, inbox_hint, config.process.concurrency).deadline(unit))
            .drain(notify.into_drain().deadline(unit + notify_options(config).request_timeout))
            .drain(tallyline_jobs::roll_up_drain(roll_up, &rollup_hint, config.roll_up.concurrency).deadline(unit))
            .drain(tallyline_jobs::complete_drain(CompleteLeads { pool: pool.clone() }, &leads_hint).deadline(unit));
        if config.analyze_leads.concurrency > 0 {
            let work = AnalyzeLeads { analyzer: analyzer(config, &deps, inbox_hint) };
            let drain = tallyline_jobs::analyze_drain(work, &leads_hint, config.analyze_leads.concurrency);
            let request = Duration::from_secs(config.analyze_leads.request_timeout_seconds);
            builder = builder.drain(drain.deadline(unit + request));
        }
        if config.backfill.concurrency > 0 {
            let work = Backfill::new(pool.clone(), backfill_options(config), rollup_hint);
            // Its scan has statements of its own, and may take its time.
            let drain = tallyline_jobs::backfill_drain(work, config.backfill.concurrency).deadline(unit * 15);
            builder = builder.drain(drain);
        }
    } else {
        builder = builder.queue("default", 0);
    }
    Ok(Some(builder.start()?))
}

/// Host and process id: what an operator looks for when a process holds a job.
pub fn label() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}:{}", host.as_deref().unwrap_or("unknown"), std::process::id())
}

/// Limits of kinds, and whether processes tell each other of jobs.
fn queue_limits(mut builder: RunnerBuilder<Deps>, queue: &config::Queue) -> anyhow::Result<RunnerBuilder<Deps>> {
    let registry = tallyline_jobs::registry()?;
    for (kind, jobs) in &queue.kinds {
        if !registry.kinds().any(|known| known == kind) {
            let known: Vec<&str> = registry.kinds().collect();
            bail!("queue.kinds: there is no job \"{kind}\"; jobs are {}", known.join(", "));
        }
        if *jobs == 0 {
            bail!("queue.kinds: {kind} = 0 would have them claimed by nobody; pause the kind instead");
        }
        builder = builder.kind(kind.clone(), *jobs);
    }
    Ok(if queue.announce { builder } else { builder.poll_only() })
}

fn deps(config: &Config, pool: &PgPool, settings: SettingsHandle, inbox_hint: &Hint) -> anyhow::Result<Deps> {
    let keep = &config.retention;
    Ok(Deps {
        pool: pool.clone(),
        http: tallyline_jobs::http::client().context("the HTTP client cannot be made")?,
        sealing_key: sealing_key(config)?,
        settings,
        dashboards_expire_seconds: config.rebuild_dashboards.expires_seconds,
        retention: purge_expired::Retention {
            inbox_body_days: keep.inbox_body_days,
            login_attempt_days: keep.login_attempt_days,
            password_reset_days: keep.password_reset_days,
            session_days: keep.session_days,
            dashboard_cache_days: keep.dashboard_cache_days,
            quarantine_days: keep.quarantine_days,
            notification_days: keep.notification_days,
            job_history_days: keep.job_history_days,
            dead_job_days: keep.dead_job_days,
            schedule_fire_days: keep.schedule_fire_days,
            backfill_days: keep.backfill_days,
            audit_difference_days: keep.audit_difference_days,
            twilio_processed_days: keep.twilio_processed_days,
            provider_check_days: keep.provider_check_days,
        },
        audit: audit_rollups::Options { tenants: config.audit.sample_tenants, buckets: config.audit.sample_buckets },
        archive: archive_calls::Options {
            directory: (!config.history.dir.is_empty()).then(|| PathBuf::from(&config.history.dir)),
            calls_months: keep.calls_months,
        },
        reconcile: reconcile_options(config),
        inbox_hint: inbox_hint.clone(),
    })
}

fn reconcile_options(config: &Config) -> reconcile_calls::Options {
    let reconcile = &config.reconcile;
    reconcile_calls::Options {
        bolna_requests_per_minute: reconcile.bolna_requests_per_minute,
        twilio_requests_per_minute: reconcile.twilio_requests_per_minute,
        stuck_after_minutes: reconcile.stuck_after_minutes,
        stuck_days: reconcile.stuck_days,
        look_back_hours: reconcile.look_back_hours,
        first_days: reconcile.first_days,
        window_hours: reconcile.window_hours,
        max_window_ids: 20_000,
        timeout: Duration::from_secs(reconcile.timeout_seconds),
        retry_pause: Duration::from_millis(reconcile.retry_milliseconds),
        max_tries: 3,
    }
}

fn process_options(config: &Config) -> process_call_events::Options {
    let process = &config.process;
    process_call_events::Options {
        batch_events: process.batch_events,
        batch_bytes: process.batch_bytes,
        batch_tenants: process.batch_tenants,
        twilio_wait_seconds: process.twilio_wait_seconds as f64,
        max_lane_claims: process.max_lane_claims,
        max_event_claims: process.max_event_claims,
        // The drain takes it from the run-time settings, anew for each batch.
        follow_up_default_days: 0,
    }
}

fn roll_up_options(config: &Config) -> roll_up::Options {
    roll_up::Options {
        batch_buckets: config.roll_up.batch_buckets,
        debounce: roll_up::Debounce {
            least: Duration::from_millis(config.roll_up.least_rest_milliseconds),
            cost_factor: config.roll_up.rest_cost_factor,
        },
        kpi_debounce_seconds: config.refresh_kpi_summary.debounce_seconds,
        dashboards_debounce_seconds: config.rebuild_dashboards.debounce_seconds,
    }
}

fn analyzer(config: &Config, deps: &Deps, inbox_hint: &Hint) -> Analyzer {
    let analyze = &config.analyze_leads;
    let request_timeout = Duration::from_secs(analyze.request_timeout_seconds);
    let options = analyze_leads::Options {
        // A claim that ends before its request does would have it made twice.
        lease: Duration::from_secs(analyze.lease_seconds).max(request_timeout * 2),
        request_timeout,
        max_attempts: analyze.max_attempts.max(1),
        backoff: Duration::from_secs(analyze.backoff_seconds),
        longest_backoff: Duration::from_secs(analyze.longest_backoff_seconds),
        batch: analyze.batch_calls.max(1),
        max_transcript_bytes: analyze.max_transcript_bytes,
        breaker: BreakerOptions {
            failures: analyze.breaker_failures.max(1),
            open_for: Duration::from_secs(analyze.breaker_open_seconds),
        },
    };
    Analyzer::new(deps.pool.clone(), deps.http.clone(), deps.sealing_key.clone(), options, inbox_hint.clone())
}

fn backfill_options(config: &Config) -> backfill::Options {
    let backfill = &config.backfill;
    backfill::Options {
        yield_lag: Duration::from_secs(backfill.yield_lag_seconds),
        yield_longest: Duration::from_secs(backfill.yield_longest_seconds),
        max_attempts: backfill.max_attempts,
        retry_after: Duration::from_secs(backfill.retry_seconds),
    }
}

fn notify_options(config: &Config) -> deliver_notifications::Options {
    let notify = &config.notify;
    deliver_notifications::Options {
        concurrency: notify.concurrency,
        per_endpoint: notify.per_endpoint,
        request_timeout: Duration::from_secs(notify.request_timeout_seconds),
        retry_delays: notify.retry_seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
        retention_days: config.retention.notification_days,
    }
}

/// The link for the first account, told to whoever starts the process.
///
/// # Errors
/// When nobody would have to sign in and others than this machine could come.
async fn first_run(config: &Config, gate: &Gate, address: SocketAddr) -> anyhow::Result<FirstRun> {
    if !gate.login {
        if !address.ip().is_loopback() {
            bail!(
                "http.listen is {address}, which others can reach, and dashboard.login is false: \
                 set dashboard.login = true, listen on 127.0.0.1, or leave the role dashboard out"
            );
        }
        return Ok(FirstRun::default());
    }
    let (first_run, secret) = FirstRun::start(&gate.pool).await?;
    if let Some(secret) = secret {
        let origin = config.public_origin();
        // On the terminal and not in the log, where it would be kept.
        eprintln!("Nobody can sign in yet. Make the first account, once:\n\n    {origin}/first-run/{secret}\n");
    }
    if !gate.is_https && !address.ip().is_loopback() {
        tracing::warn!("passwords and sessions travel as http.public_origin says: it is not https");
    }
    Ok(first_run)
}

/// Every process shows its metrics and health; the rest goes by role.
fn router(
    gate: &Arc<Gate>,
    receiver: Option<&Receiver>,
    first_run: Option<FirstRun>,
    page: &telemetry::page::Page,
    heartbeats: &Heartbeats,
) -> Router {
    let ready = telemetry::readiness::database(gate.pool.clone());
    let mut router = telemetry::routes::router(page.clone(), ready);
    router = router.merge(telemetry::liveness::router(heartbeats.clone()));
    if let Some(receiver) = receiver {
        router = router.merge(receiver.router());
    }
    if let Some(first_run) = first_run {
        router = router.merge(dashboard::router(gate, first_run));
        router = router.merge(api::router(gate));
    }
    telemetry::http::observed(telemetry::http::measured(router))
}
