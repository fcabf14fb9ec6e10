//! Spans: what was done, when, below what and because of what, for whoever
//! collects traces.
//!
//! A span is for export, and knows ids and counts only. It is recorded when it
//! ends or is dropped, if it is sampled and [`collect`] was called. The `tracing`
//! spans that give log lines their ids are others; their target is [`TARGET`].

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use sqlx::PgConnection;
use tokio::{sync::mpsc, time::Instant};

use crate::trace::TraceContext;

/// Target of the `tracing` spans that give log lines their ids. Filters let it
/// pass whatever the level, or warnings would not say which request they are of.
pub const TARGET: &str = "tallyline_span";

/// Links that a span keeps; what is beyond is counted. The limit of OpenTelemetry's SDKs.
const MAX_LINKS: usize = 128;

static COLLECTOR: OnceLock<Collector> = OnceLock::new();

tokio::task_local! {
    static CURRENT: Span;
}

struct Collector {
    spans: mpsc::Sender<FinishedSpan>,
    /// Of ten thousand new traces.
    sampled: u64,
}

/// What a span is to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Answers a request.
    Server,
    /// Does what was asked for earlier.
    Consumer,
}

/// Value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An id or a word of ours.
    Text(String),
    /// An id or a count.
    Number(i64),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedSpan {
    /// What was done; of few values.
    pub name: Cow<'static, str>,
    /// What it is to the outside.
    pub kind: SpanKind,
    /// Which it is.
    pub context: TraceContext,
    /// The span above it, of the same trace.
    pub parent: Option<u64>,
    /// What it was done because of, of whatever trace.
    pub links: Vec<TraceContext>,
    /// Links beyond those.
    pub links_left_out: u32,
    /// Ids and counts.
    pub attributes: Vec<(&'static str, Value)>,
    /// Since 1970, by the clock of this machine.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// Whether it failed, or was dropped midway.
    pub failed: bool,
}

/// Records from now on: `percent` of new traces, and all that somebody else
/// sampled. Spans for which there is no room are lost. Once for a process; the
/// second time it returns `None`.
pub fn collect(percent: f64, room: usize) -> Option<mpsc::Receiver<FinishedSpan>> {
    let (spans, collected) = mpsc::channel(room.max(1));
    let sampled = (percent.clamp(0.0, 100.0) * 100.0).round() as u64;
    COLLECTOR.set(Collector { spans, sampled }).ok().map(|()| collected)
}

/// Whether a new trace is to be sampled.
pub(crate) fn is_sampled(trace_id: u128) -> bool {
    COLLECTOR.get().is_some_and(|collector| (trace_id % 10_000) < u128::from(collector.sampled))
}

/// Something that is being done.
#[derive(Debug, Clone)]
pub struct Span(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: Cow<'static, str>,
    kind: SpanKind,
    began: Duration,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    context: TraceContext,
    parent: Option<TraceContext>,
    links: Vec<TraceContext>,
    links_left_out: u32,
    attributes: Vec<(&'static str, Value)>,
    /// How it ended; `None` while it has not.
    failed: Option<bool>,
    forgotten: bool,
}

impl Span {
    /// Begins a span. Its times are those of this machine.
    #[expect(clippy::disallowed_methods, reason = "collectors put spans of many machines on one line of time")]
    pub fn new(
        context: TraceContext,
        parent: Option<TraceContext>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
    ) -> Self {
        let state = State {
            context,
            parent,
            links: Vec::new(),
            links_left_out: 0,
            attributes: Vec::new(),
            failed: None,
            forgotten: false,
        };
        Self(Arc::new(Inner {
            name: name.into(),
            kind,
            began: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            started: Instant::now(),
            state: Mutex::new(state),
        }))
    }

    /// Begins the first span of a trace.
    pub fn root(name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Self {
        Self::new(TraceContext::root(), None, name, kind)
    }

    /// The span under way, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Where it is. What is enqueued under it carries this.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.state().context
    }

    /// Runs a future under this span.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    /// Makes it a span below `parent`, and of its trace.
    pub fn adopt(&self, parent: TraceContext) {
        let mut state = self.state();
        state.context = parent.child();
        state.parent = Some(parent);
    }

    /// Says that it is done because of `cause`. What is done because of something
    /// that is sampled is sampled.
    pub fn link(&self, cause: TraceContext) {
        let mut state = self.state();
        let known = |other: &TraceContext| (other.trace_id, other.span_id) == (cause.trace_id, cause.span_id);
        if !cause.sampled || COLLECTOR.get().is_none() || known(&state.context) || state.links.iter().any(known) {
            return;
        }
        state.context.sampled = true;
        if state.links.len() < MAX_LINKS {
            state.links.push(cause);
        } else {
            state.links_left_out += 1;
        }
    }

    /// Adds an id or a count.
    pub fn set(&self, name: &'static str, value: impl Into<Value>) {
        if COLLECTOR.get().is_some() {
            self.state().attributes.push((name, value.into()));
        }
    }

    /// Ends it.
    pub fn end(self, failed: bool) {
        self.state().failed = Some(failed);
    }

    /// Ends it without a record.
    pub fn forget(self) {
        self.state().forgotten = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Recorded when nobody holds it any more; one that was dropped midway has failed.
impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(collector) = COLLECTOR.get().filter(|_| state.context.sampled && !state.forgotten) else { return };
        let span = FinishedSpan {
            name: std::mem::take(&mut self.name),
            kind: self.kind,
            context: state.context,
            parent: state.parent.map(|parent| parent.span_id),
            links: std::mem::take(&mut state.links),
            links_left_out: state.links_left_out,
            attributes: std::mem::take(&mut state.attributes),
            began: self.began,
            took: self.started.elapsed(),
            failed: state.failed.unwrap_or(true),
        };
        if collector.spans.try_send(span).is_err() {
            metrics::counter!(crate::telemetry::SPANS, "outcome" => "lost").increment(1);
        }
    }
}

/// The context that what is stored now is to carry: that of the span under way,
/// if it is exported.
#[must_use]
pub fn carried() -> Option<TraceContext> {
    COLLECTOR.get()?;
    TraceContext::current().filter(|context| context.sampled)
}

/// Lets marks and jobs that a transaction makes carry the span under way, if it
/// is exported.
///
/// # Errors
/// On database errors.
pub async fn carry_in(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    let Some(context) = carried() else { return Ok(()) };
    sqlx::query!("SELECT set_config('tally.trace', $1, true) AS trace", context.to_string())
        .fetch_one(transaction)
        .await?;
    Ok(())
}
