//! Standing work: repeated while a query finds something to do, no job rows.

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis::{
    layers::{WorkerBuilderExt, catch_panic::CatchPanicLayer},
    prelude::{Monitor, ParallelizeExt, WorkerBuilder},
};
use apalis_core::{error::BoxDynError, task::Task};
use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::mpsc, time::Instant};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::{
    backend::ChannelBackend,
    error::BoxError,
    execute::Signals,
    heartbeat::{BEAT, Beat, Heartbeats},
    hint::{Hint, HintListener},
    job::RunError,
    pace::Pace,
    panic::panic_text,
    span::{self, Span, SpanKind},
    telemetry::{DRAIN_UNITS, millis},
    timing::{POLL_GREATEST, POLL_LEAST, RETRY_GREATEST},
};

/// What one unit of standing work did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Things done. More than zero means: look again at once.
    pub worked: usize,
}

/// Work that is found by looking at state.
pub trait DrainWork: Send + Sync + 'static {
    /// Name in metrics and logs.
    const NAME: &'static str;

    /// Does one unit, in a transaction of its own. It is dropped at an await
    /// point only when its deadline is over, or the process stops and its grace is.
    fn drain(&self) -> impl Future<Output = Result<Drained, BoxError>> + Send;
}

/// Standing work with its hint and the number of units that may run at once.
#[derive(Debug)]
pub struct Drain<W> {
    work: Arc<W>,
    hint: Hint,
    concurrency: usize,
    deadline: Duration,
}

/// Twice as long as a statement may take by default.
const DEADLINE: Duration = Duration::from_secs(120);

impl<W: DrainWork> Drain<W> {
    /// One unit at a time, and a hint of its own.
    pub fn new(work: W) -> Self {
        Self { work: Arc::new(work), hint: Hint::new(), concurrency: 1, deadline: DEADLINE }
    }

    /// Looks at once when this hint rings.
    #[must_use]
    pub fn hint(mut self, hint: &Hint) -> Self {
        self.hint = hint.clone();
        self
    }

    /// Up to `units` at once, at least one. While nothing is found, one looks.
    #[must_use]
    pub fn concurrency(mut self, units: usize) -> Self {
        self.concurrency = units.max(1);
        self
    }

    /// A unit that takes longer is dropped: its connection is dead, most likely, and
    /// would hold it for ever. Two minutes by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Adds an apalis worker for it, and the pump that feeds the worker.
    pub(crate) fn register(
        self,
        monitor: Monitor,
        signals: &Signals,
        beats: &Heartbeats,
        tasks: &mut Vec<BoxFuture<'static, ()>>,
    ) -> Monitor {
        let (units, receiver) = mpsc::channel(self.concurrency);
        let (results, answers) = mpsc::unbounded_channel();
        let now = Instant::now();
        let pump = Pump {
            units,
            answers,
            hint: self.hint.listen(),
            signals: signals.clone(),
            beat: beats.add(format!("drain {}", W::NAME)),
            concurrency: self.concurrency,
            running: 0,
            wanted: 1,
            look_at: now,
            blocked_until: now,
            idle: Pace::new(POLL_LEAST, POLL_GREATEST),
            failing: Pace::new(POLL_LEAST, RETRY_GREATEST),
        };
        tasks.push(pump.run().boxed());
        let backend = ChannelBackend::new(receiver, DrainLayer { results, name: W::NAME });
        let (work, signals, concurrency, deadline) = (self.work, signals.clone(), self.concurrency, self.deadline);
        monitor.register(move |_| {
            let (work, signals) = (Arc::clone(&work), signals.clone());
            WorkerBuilder::new(format!("drain-{}", W::NAME))
                .backend(backend.clone())
                .concurrency(concurrency)
                .parallelize(tokio::spawn)
                .layer(CatchPanicLayer::with_panic_handler(panic_text))
                .build(tower::service_fn(move |_: Task<Unit>| unit(Arc::clone(&work), signals.clone(), deadline)))
        })
    }
}

async fn unit<W: DrainWork>(work: Arc<W>, signals: Signals, deadline: Duration) -> Result<Drained, RunError> {
    let (span, began) = (Span::root(W::NAME, SpanKind::Consumer), Instant::now());
    let log = tracing::info_span!(target: span::TARGET, "unit", drain = W::NAME);
    let result = tokio::select! {
        biased;
        result = span.scope(work.drain()).instrument(log) => result.map_err(RunError::Retry),
        () = signals.abort.cancelled() => Err(RunError::Interrupted),
        () = tokio::time::sleep(deadline) => Err(RunError::DeadlineExceeded(deadline)),
    };
    match &result {
        // A look that found nothing is not worth a span.
        Ok(Drained { worked: 0 }) => span.forget(),
        Ok(Drained { worked }) => {
            span.set("tallyline.worked", i64::try_from(*worked).unwrap_or(i64::MAX));
            span.end(false);
            tracing::debug!(drain = W::NAME, worked, duration_ms = millis(began), "unit ended");
        }
        Err(_) => span.end(true),
    }
    result
}

/// Leave to run one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit;

/// How a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Worked,
    Idle,
    Failed,
}

/// Decides when the next unit runs.
struct Pump {
    units: mpsc::Sender<Vec<Task<Unit>>>,
    answers: mpsc::UnboundedReceiver<Answer>,
    hint: HintListener,
    signals: Signals,
    beat: Beat,
    concurrency: usize,
    running: usize,
    /// Units to start as soon as there is room.
    wanted: usize,
    /// When to look without being asked.
    look_at: Instant,
    /// Nothing is started before this, after a failure.
    blocked_until: Instant,
    idle: Pace,
    failing: Pace,
}

impl Pump {
    async fn run(mut self) {
        self.feed().await;
        self.beat.end();
    }

    /// Starts units until stopped.
    async fn feed(&mut self) {
        let stopping = self.signals.stopping.clone();
        while stopping.run_until_cancelled(self.wait()).await.is_some() {
            // A wait that ended together with the stop has won.
            if stopping.is_cancelled() {
                return;
            }
            while self.wanted > 0 && self.running < self.concurrency {
                self.wanted -= 1;
                self.running += 1;
                self.look_at = Instant::now() + self.idle.step();
                if self.units.send(vec![Task::new(Unit)]).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Returns when a unit may be started.
    async fn wait(&mut self) {
        loop {
            self.beat.tick();
            let now = Instant::now();
            let room = self.running < self.concurrency;
            if room && self.wanted > 0 && now >= self.blocked_until {
                return;
            }
            let wake = self.look_at.max(self.blocked_until);
            tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => self.heard(answer),
                () = self.hint.rung() => {
                    // Kept until it is served: the unit that runs may have
                    // looked before the work was there.
                    self.wanted = self.wanted.max(1);
                    self.idle.reset();
                }
                () = tokio::time::sleep_until(wake), if room => self.wanted = self.wanted.max(1),
                // Units may take long; this loop must not.
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    fn heard(&mut self, answer: Answer) {
        self.running = self.running.saturating_sub(1);
        match answer {
            // Itself and one more, so that a flood is soon met by all.
            Answer::Worked => {
                self.wanted = self.wanted.max(2);
                self.idle.reset();
                self.failing.reset();
            }
            Answer::Idle => {
                self.failing.reset();
                self.look_at = Instant::now() + self.idle.step();
            }
            // Hints do not cut this short: they come with the very traffic that
            // the failing unit cannot digest.
            Answer::Failed => {
                self.wanted = self.wanted.max(1);
                self.blocked_until = Instant::now() + self.failing.step();
            }
        }
    }
}

/// Tells the pump how each unit ended, and counts it.
#[derive(Clone)]
struct DrainLayer {
    results: mpsc::UnboundedSender<Answer>,
    name: &'static str,
}

impl<S> Layer<S> for DrainLayer {
    type Service = DrainService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainService { inner, layer: self.clone() }
    }
}

struct DrainService<S> {
    inner: S,
    layer: DrainLayer,
}

impl<S> Service<Task<Unit>> for DrainService<S>
where
    S: Service<Task<Unit>, Response = Drained, Error: Into<BoxDynError>>,
    S::Future: Send + 'static,
{
    type Response = Drained;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<Drained, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Unit>) -> Self::Future {
        let pending = Pending { results: self.layer.results.clone(), answer: Answer::Failed };
        let name = self.layer.name;
        let run = self.inner.call(task);
        async move {
            let result = run.await.map_err(Into::into);
            pending.end(judge(name, &result));
            result
        }
        .boxed()
    }
}

fn judge(name: &'static str, result: &Result<Drained, BoxDynError>) -> Answer {
    let (answer, outcome) = match result {
        Ok(Drained { worked: 0 }) => (Answer::Idle, "idle"),
        Ok(_) => (Answer::Worked, "worked"),
        Err(error) => {
            tracing::warn!(drain = name, %error, "unit failed, will be repeated");
            (Answer::Failed, "failed")
        }
    };
    metrics::counter!(DRAIN_UNITS, "drain" => name, "outcome" => outcome).increment(1);
    answer
}

/// Sends its answer when dropped, so that a unit which is dropped midway does
/// not keep its place for ever.
struct Pending {
    results: mpsc::UnboundedSender<Answer>,
    answer: Answer,
}

impl Pending {
    fn end(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // A closed channel means that the pump has stopped.
        let _ = self.results.send(self.answer);
    }
}
