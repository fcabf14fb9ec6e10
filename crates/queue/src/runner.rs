//! Starts everything and stops it again.

use std::{sync::Arc, time::Duration};

use apalis::{
    layers::{WorkerBuilderExt, catch_panic::CatchPanicLayer},
    prelude::{Monitor, ParallelizeExt, WorkerBuilder},
};
use apalis_core::task::Task;
use futures::{FutureExt, future::BoxFuture};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    ack::{AckLayer, Backoffs},
    backend::ChannelBackend,
    canceller::Canceller,
    claimed::ClaimedJob,
    claimer::{Claimer, InFlight},
    completer::{Completer, Finished},
    drain::{Drain, DrainWork},
    error::QueueError,
    execute::{Signals, execute},
    handle::Queue,
    heartbeat::Heartbeats,
    hint::Hint,
    lease::{Keeper, LeaseTiming},
    limits::KindLimits,
    maintainer::Maintainer,
    notify::{Announcer, Listener},
    pace::Backoff,
    panic::panic_text,
    registry::{Jobs, Registry},
    rescuer::Rescuer,
    schedule::ScheduleSpec,
    scheduler::Scheduler,
    store::{ClaimTerms, RescueTerms},
    telemetry::Counters,
    timing::{STATEMENT_TIMEOUT, UNKNOWN_KIND_DEADLINE},
};

/// Handlers that ignore their cancellation are waited for this long at the end.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for the last reports to be written.
const REPORT_WAIT: Duration = Duration::from_secs(10);

/// Times and limits of a runner. The defaults are right; tests are in a hurry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Times of the lease.
    pub lease: LeaseTiming,
    /// Time between looks for lost jobs.
    pub rescue_every: Duration,
    /// How long after its deadline a job of a living process is taken back.
    pub deadline_margin: Duration,
    /// At this many losses a job becomes a dead letter.
    pub max_lost: i32,
}

impl Default for Timing {
    /// Lease 20 s, rescue every 3 s, 10 s after the deadline, dead at the 5th loss.
    fn default() -> Self {
        Self {
            lease: LeaseTiming::default(),
            rescue_every: Duration::from_secs(3),
            deadline_margin: Duration::from_secs(10),
            max_lost: 5,
        }
    }
}

type AddDrain = Box<dyn FnOnce(Monitor, &Signals, &Heartbeats, &mut Vec<BoxFuture<'static, ()>>) -> Monitor + Send>;

/// What is to be started.
#[must_use = "nothing runs before start"]
pub struct RunnerBuilder<S> {
    pool: PgPool,
    jobs: Jobs<S>,
    label: String,
    concurrency: usize,
    queues: Vec<(String, usize)>,
    kinds: Vec<(String, usize)>,
    announce: bool,
    history_days: i32,
    drains: Vec<AddDrain>,
    schedules: Vec<ScheduleSpec>,
    schedule_here: bool,
    heartbeats: Heartbeats,
    timing: Timing,
}

impl<S: Send + Sync + 'static> RunnerBuilder<S> {
    /// A name for the lease row: host and process id, say. It need not be unique.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Jobs at once in each queue that is not named by [`Self::queue`]. 8 by default.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// Jobs at once in this queue; zero leaves the queue to other processes.
    pub fn queue(mut self, name: impl Into<String>, jobs: usize) -> Self {
        self.queues.push((name.into(), jobs));
        self
    }

    /// Jobs of this kind at once in this process, whatever their queue.
    pub fn kind(mut self, name: impl Into<String>, jobs: usize) -> Self {
        self.kinds.push((name.into(), jobs.max(1)));
        self
    }

    /// Without notifications, for poolers that cannot listen: work enqueued by
    /// other processes is found by polling, within a second.
    pub fn poll_only(mut self) -> Self {
        self.announce = false;
        self
    }

    /// Days that finished attempts are kept. 14 by default.
    pub fn history_days(mut self, days: i32) -> Self {
        self.history_days = days.max(1);
        self
    }

    /// Adds standing work.
    pub fn drain<W: DrainWork>(mut self, drain: Drain<W>) -> Self {
        self.drains
            .push(Box::new(move |monitor, signals, beats, tasks| drain.register(monitor, signals, beats, tasks)));
        self
    }

    /// The whole list of schedules. `fire` says whether this process fires
    /// them; any number may. One that does not still knows which kinds are
    /// scheduled and exports when they last succeeded.
    pub fn schedules(mut self, schedules: Vec<ScheduleSpec>, fire: bool) -> Self {
        self.schedules = schedules;
        self.schedule_here = fire;
        self
    }

    /// Where drains, claimers, completer and scheduler show that they turn.
    pub fn heartbeats(mut self, heartbeats: &Heartbeats) -> Self {
        self.heartbeats = heartbeats.clone();
        self
    }

    /// Sets times and limits.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Starts lease, claimers, workers, completer, rescuer and scheduler. The
    /// database may be away: everything begins when it answers.
    ///
    /// # Errors
    /// [`QueueError::Thread`] when the lease thread cannot be started,
    /// [`QueueError::Schedule`] when a schedule is not valid.
    pub fn start(mut self) -> Result<Runner, QueueError> {
        let scheduled_kinds = self.schedules.iter().map(|spec| spec.kind.clone()).collect();
        let scheduler = match self.schedule_here {
            true => Some(Scheduler::new(self.pool.clone(), std::mem::take(&mut self.schedules))?),
            false => None,
        };
        let queues = self.all_queues();
        let options = own_options(&self.pool);
        let counters = Arc::new(Counters::default());
        let served = queues.iter().map(|(name, _)| name.clone()).collect();
        let keeper = Keeper::start(options.clone(), self.label, served, self.timing.lease, Arc::clone(&counters))?;
        let announce = self.announce.then(|| Arc::new(Notify::new()));
        let queue = Queue::announcing(announce.clone());
        let parts = Parts {
            jobs: Arc::new(self.jobs),
            kinds: KindLimits::new(std::mem::take(&mut self.kinds), queue.hint_source().clone()),
            queue,
            announce,
            history_days: self.history_days,
            cancels: Hint::new(),
            in_flight: InFlight::default(),
            signals: Signals { stopping: CancellationToken::new(), abort: CancellationToken::new() },
            // Rescuer, canceller, maintainer, announcer, listener.
            db: own_pool(&options, 5),
            options,
            keeper,
            counters,
            heartbeats: self.heartbeats,
        };
        Ok(parts.assemble(queues, self.drains, scheduler, scheduled_kinds, self.timing))
    }

    /// The queues of the registry and those named, with their limits.
    fn all_queues(&self) -> Vec<(String, usize)> {
        let mut queues = self.queues.clone();
        for name in self.jobs.registry.queues() {
            if !queues.iter().any(|(named, _)| named == name) {
                queues.push((name.to_owned(), self.concurrency));
            }
        }
        queues.retain(|(_, jobs)| *jobs > 0);
        queues
    }
}

/// Connections for the queue's own tasks, so that handlers which use up the
/// pool of the process cannot stop claims and completions.
fn own_pool(options: &PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        // A ping before each statement would double the round trips; an error
        // is retried anyway.
        .test_before_acquire(false)
        .acquire_timeout(STATEMENT_TIMEOUT)
        .connect_lazy_with(options.clone())
}

/// How the queue's own connections are set up.
fn own_options(pool: &PgPool) -> PgConnectOptions {
    let timeout_ms = STATEMENT_TIMEOUT.as_millis().to_string();
    (*pool.connect_options()).clone().options([
        ("statement_timeout", timeout_ms.as_str()),
        // Each statement is planned once, while the tables may be empty, and must
        // do well when they hold millions: only by index, row by row.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
    ])
}

struct Parts<S> {
    jobs: Arc<Jobs<S>>,
    kinds: KindLimits,
    queue: Queue,
    announce: Option<Arc<Notify>>,
    history_days: i32,
    /// Rung when somebody asked to cancel a running job.
    cancels: Hint,
    in_flight: InFlight,
    signals: Signals,
    options: PgConnectOptions,
    db: PgPool,
    keeper: Keeper,
    counters: Arc<Counters>,
    heartbeats: Heartbeats,
}

impl<S: Send + Sync + 'static> Parts<S> {
    fn assemble(
        self,
        queues: Vec<(String, usize)>,
        drains: Vec<AddDrain>,
        scheduler: Option<Scheduler>,
        scheduled_kinds: Arc<[String]>,
        timing: Timing,
    ) -> Runner {
        let (finished, reports) = mpsc::channel(2_000);
        let completer = Completer {
            db: own_pool(&self.options, 1),
            finished: reports,
            in_flight: self.in_flight.clone(),
            counters: Arc::clone(&self.counters),
            hint: self.queue.hint_source().clone(),
            scheduled_kinds,
        };
        let mut tasks = self.upkeep(timing);
        let mut monitor = Monitor::new().should_restart(|worker, error| {
            tracing::error!(worker = worker.name(), %error, "worker ended, restarting it");
            true
        });
        for (name, concurrency) in queues {
            monitor = self.add_queue(monitor, name, concurrency, &finished, &mut tasks);
        }
        for drain in drains {
            monitor = drain(monitor, &self.signals, &self.heartbeats, &mut tasks);
        }
        if let Some(scheduler) = scheduler {
            let (stop, hint) = (self.signals.stopping.clone(), self.queue.hint_source().clone());
            let beat = self.heartbeats.add("scheduler");
            tasks.push(beat.during(async move { scheduler.run(stop, hint).await }).boxed());
        }
        Runner {
            _when_dropped: [self.signals.stopping.clone().drop_guard(), self.signals.abort.clone().drop_guard()],
            queue: self.queue,
            counters: self.counters,
            signals: self.signals,
            keeper: self.keeper,
            db: self.db,
            completer: tokio::spawn(self.heartbeats.add("completer").during(completer.run())),
            workers: tokio::spawn(run_monitor(monitor)),
            tasks: tasks.into_iter().map(tokio::spawn).collect(),
        }
    }

    /// The tasks beside claiming and completing.
    fn upkeep(&self, timing: Timing) -> Vec<BoxFuture<'static, ()>> {
        // Cancelling goes on while handlers are given time to end.
        let canceller = Canceller {
            db: self.db.clone(),
            leases: self.keeper.leases.clone(),
            in_flight: self.in_flight.clone(),
            hint: self.cancels.listen(),
            stop: self.signals.abort.clone(),
        };
        let maintainer =
            Maintainer { db: self.db.clone(), keep_days: self.history_days, stop: self.signals.stopping.clone() };
        let mut tasks = vec![self.rescuer(timing).run().boxed(), canceller.run().boxed(), maintainer.run().boxed()];
        if let Some(asked) = &self.announce {
            let me = Uuid::new_v4().simple().to_string();
            let (db, stop) = (self.db.clone(), self.signals.stopping.clone());
            let announcer = Announcer { db: db.clone(), me: me.clone(), asked: Arc::clone(asked), stop: stop.clone() };
            let (jobs, cancels) = (self.queue.hint_source().clone(), self.cancels.clone());
            tasks.push(announcer.run().boxed());
            tasks.push(Listener { db, me, jobs, cancels, stop }.run().boxed());
        }
        tasks
    }

    fn rescuer(&self, timing: Timing) -> Rescuer {
        Rescuer {
            db: self.db.clone(),
            terms: RescueTerms {
                deadline_margin: timing.deadline_margin,
                max_lost: timing.max_lost,
                ..RescueTerms::default()
            },
            every: timing.rescue_every,
            hint: self.queue.hint_source().clone(),
            counters: Arc::clone(&self.counters),
            stop: self.signals.stopping.clone(),
        }
    }

    /// One claimer and one apalis worker for a queue.
    fn add_queue(
        &self,
        monitor: Monitor,
        name: String,
        concurrency: usize,
        finished: &mpsc::Sender<Finished>,
        tasks: &mut Vec<BoxFuture<'static, ()>>,
    ) -> Monitor {
        // Every claim sends one batch; permits bound what is in them.
        let (sender, receiver) = mpsc::channel(4);
        let claimer = Claimer {
            db: own_pool(&self.options, 1),
            terms: ClaimTerms {
                queue: name.clone(),
                deadlines: self.jobs.registry.deadlines(),
                other_deadline: UNKNOWN_KIND_DEADLINE,
            },
            leases: self.keeper.leases.clone(),
            permits: Arc::new(Semaphore::new(concurrency)),
            kinds: self.kinds.clone(),
            in_flight: self.in_flight.clone(),
            jobs: sender,
            hint: self.queue.hint_source().listen(),
            stop: self.signals.stopping.clone(),
        };
        tasks.push(self.heartbeats.add(format!("claimer {name}")).during(claimer.run()).boxed());
        let layer = AckLayer { finished: finished.clone(), backoffs: self.backoffs() };
        let backend = ChannelBackend::new(receiver, layer);
        let (jobs, signals) = (Arc::clone(&self.jobs), self.signals.clone());
        monitor.register(move |_| {
            let (jobs, signals) = (Arc::clone(&jobs), signals.clone());
            let handler =
                tower::service_fn(move |task: Task<ClaimedJob>| execute(task.args, Arc::clone(&jobs), signals.clone()));
            WorkerBuilder::new(format!("queue-{name}"))
                .backend(backend.clone())
                .concurrency(concurrency)
                .parallelize(tokio::spawn)
                .layer(CatchPanicLayer::with_panic_handler(panic_text))
                .build(handler)
        })
    }

    fn backoffs(&self) -> Backoffs {
        let jobs = Arc::clone(&self.jobs);
        Arc::new(move |kind: &str| jobs.registry.get(kind).map_or(Backoff::DEFAULT, |kind| kind.backoff))
    }
}

async fn run_monitor(monitor: Monitor) {
    if let Err(error) = monitor.run().await {
        tracing::error!(%error, "workers ended with an error");
    }
}

/// Everything that runs. Dropping it cancels all of that without waiting for
/// anything; use [`Runner::shutdown`].
#[must_use = "dropping it stops everything"]
pub struct Runner {
    _when_dropped: [DropGuard; 2],
    queue: Queue,
    counters: Arc<Counters>,
    signals: Signals,
    keeper: Keeper,
    db: PgPool,
    completer: JoinHandle<()>,
    workers: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Begins to describe a runner. `pool` tells where the database is; the
    /// runner opens connections of its own.
    pub fn builder<S: Send + Sync + 'static>(pool: PgPool, registry: Registry<S>, state: Arc<S>) -> RunnerBuilder<S> {
        RunnerBuilder {
            pool,
            jobs: Jobs { registry, state },
            label: format!("process {}", std::process::id()),
            concurrency: 8,
            queues: Vec::new(),
            kinds: Vec::new(),
            announce: true,
            history_days: 14,
            drains: Vec::new(),
            schedules: Vec::new(),
            schedule_here: false,
            heartbeats: Heartbeats::new(),
            timing: Timing::default(),
        }
    }

    /// A handle whose hint wakes this runner.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Stops claiming, lets handlers run for `grace`, cancels the rest and
    /// hands their jobs back, writes all reports, releases the lease. With a
    /// database that answers it takes the grace and some seconds at most.
    ///
    /// Returns whether everything ended within the grace.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        self.signals.stopping.cancel();
        let in_time = tokio::time::timeout(grace, &mut self.workers).await.is_ok();
        if !in_time {
            self.signals.abort.cancel();
            if tokio::time::timeout(LAST_WAIT, &mut self.workers).await.is_err() {
                tracing::error!("handlers ignore their cancellation; their jobs will be taken back by others");
                self.workers.abort();
            }
        }
        self.signals.abort.cancel();
        let until = tokio::time::Instant::now() + LAST_WAIT;
        for mut task in std::mem::take(&mut self.tasks) {
            // They end at their next wait; what hangs on the database is cut off.
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                tracing::warn!("a task of the queue did not stop in time");
                task.abort();
            }
        }
        // The workers are gone and with them all senders: this ends when the
        // last report is written, unless the database is away.
        if tokio::time::timeout(REPORT_WAIT, &mut self.completer).await.is_err() {
            tracing::error!("last reports could not be written; their jobs will be taken back by others");
            self.completer.abort();
        }
        self.keeper.release().await;
        self.db.close().await;
        in_time
    }
}
