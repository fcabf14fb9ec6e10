//! The last lines that a run logged, kept with its attempt.
//!
//! The program adds [`JobLog`] to its subscriber; events that happen within a
//! handler are then written into a short tail beside the usual output. Whoever
//! looks at a failed job sees them without looking for the right machine.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Lines kept per run, and characters per line.
const LINES: usize = 30;
const LINE_CHARS: usize = 300;

tokio::task_local! {
    static TAIL: LogTail;
}

/// The last lines of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogTail(Arc<Mutex<VecDeque<String>>>);

impl LogTail {
    /// Runs a future whose events go into this tail.
    pub(crate) async fn scope<F: Future>(&self, future: F) -> F::Output {
        TAIL.scope(self.clone(), future).await
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The lines, one per line; none when nothing was logged.
    pub(crate) fn text(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!lines.is_empty()).then(|| lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n"))
    }
}

/// A layer that keeps the last lines of each run. Events below its filter are
/// not kept; give it the filter of the usual output.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobLog;

impl<S: Subscriber> Layer<S> for JobLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Outside of a handler there is no tail.
        let _ = TAIL.try_with(|tail| {
            let mut line = Line(format!("{} ", event.metadata().level()));
            event.record(&mut line);
            tail.push(line.0.chars().filter(|c| *c != '\0').map(flat).take(LINE_CHARS).collect());
        });
    }
}

fn flat(c: char) -> char {
    if c == '\n' || c == '\r' { ' ' } else { c }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value} "),
            name => write!(self.0, "{name}={value} "),
        };
    }
}
