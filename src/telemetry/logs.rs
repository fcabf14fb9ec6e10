//! Logs go to standard error: for people on a terminal, as JSON lines elsewhere.
//!
//! What is logged never holds bodies, numbers, transcripts or keys; callers log
//! ids and counts.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tallyline_queue::{JobLog, span};
use tokio_util::sync::CancellationToken;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::names::LOG_MESSAGES;
use super::repeats::{LOOK, Repeats};
use crate::config;

/// Of the process: what passes, and what was held back.
static CONTROL: OnceLock<Control> = OnceLock::new();

struct Control {
    filter: reload::Handle<EnvFilter, Registry>,
    repeats: Repeats,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Filter(#[from] ParseError),
    /// `log.format` is none of the three words.
    #[error("log.format: expected human, json or auto, not {0:?}")]
    Format(String),
    /// [`set_level`] before [`init`], or as the process ends.
    #[error("logging is not set up")]
    NotThere,
    /// Something else took the logs already.
    #[error("cannot take over logging: {0}")]
    Installed(#[from] TryInitError),
}

impl LogError {
    /// The key that is wrong, and what is wrong with it.
    pub fn key_and_message(&self) -> (&'static str, String) {
        match self {
            LogError::Format(word) => ("log.format", format!("expected human, json or auto, not {word:?}")),
            LogError::Filter(error) => ("log.level", error.to_string()),
            LogError::Installed(_) | LogError::NotThere => ("log", self.to_string()),
        }
    }
}

/// Whether level and format mean something.
///
/// # Errors
/// [`LogError::Filter`] and [`LogError::Format`].
pub fn check(log: &config::Log) -> Result<(), LogError> {
    format_of(&log.format, false)?;
    filter(&log.level)?;
    Ok(())
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Human,
    Json,
}

/// Sets up logging for the process, once.
///
/// # Errors
/// When level or format mean nothing, or logging is set up already.
pub fn init(log: &config::Log) -> Result<(), LogError> {
    let terminal = std::io::stderr().is_terminal();
    let format = format_of(&log.format, terminal)?;
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let repeats = Repeats::default();
    let registry = tracing_subscriber::registry().with(filter).with(CountMessages).with(JobLog);
    let writer = fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Human => {
            // A convention between programs (no-color.org) and no setting of ours.
            let ansi = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(writer.with_ansi(ansi).with_target(false).with_filter(repeats.clone())).try_init()?;
        }
        Format::Json => {
            let writer = writer.json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(writer.with_filter(repeats.clone())).try_init()?;
        }
    }
    // Nobody else sets it: who is second failed above.
    let _ = CONTROL.set(Control { filter: handle, repeats });
    Ok(())
}

/// Changes what is logged from now on: a level, or a filter as in `log.level`.
///
/// # Errors
/// When it is no filter; then nothing has changed.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    CONTROL.get().ok_or(LogError::NotThere)?.filter.reload(filter).map_err(|_| LogError::NotThere)
}

/// Says from time to time how many lines were held back, until `stop`.
pub async fn tell_repeats(stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        if let Some(control) = CONTROL.get() {
            control.repeats.tell();
        }
    }
}

/// Whatever the level: the spans that give lines their ids.
fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let ids = format!("{}=info", span::TARGET).parse()?;
    Ok(EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into()).parse(level)?.add_directive(ids))
}

fn format_of(word: &str, terminal: bool) -> Result<Format, LogError> {
    match (word, terminal) {
        ("human", _) | ("auto", true) => Ok(Format::Human),
        ("json", _) | ("auto", false) => Ok(Format::Json),
        _ => Err(LogError::Format(word.to_owned())),
    }
}

/// Every warning and error has a counter: alerts need not read logs.
struct CountMessages;

impl<S: Subscriber> Layer<S> for CountMessages {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warn",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG => "debug",
            tracing::Level::TRACE => "trace",
        };
        ::metrics::counter!(LOG_MESSAGES, "level" => level).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Break: without the directive of the spans, the warning has no span.
    #[test]
    fn at_every_level_a_line_knows_its_span_and_the_level_can_be_changed() {
        use std::sync::{Arc, Mutex};
        use tracing_subscriber::registry::LookupSpan;

        #[derive(Clone, Default)]
        struct Seen(Arc<Mutex<Vec<String>>>);
        impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
            fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
                let span = context.lookup_current().map_or("none", |span| span.name());
                self.0.lock().unwrap().push(format!("{} {span}", event.metadata().level()));
            }
        }
        let seen = Seen::default();
        let (filter, handle) = reload::Layer::new(super::filter("warn").unwrap());
        let subscriber = tracing_subscriber::registry().with(filter).with(seen.clone());
        tracing::subscriber::with_default(subscriber, || {
            let lines = || {
                let _in = tracing::info_span!(target: span::TARGET, "request").entered();
                tracing::warn!("w");
                tracing::debug!("d");
            };
            lines();
            handle.reload(super::filter("debug").unwrap()).unwrap();
            lines();
        });
        assert_eq!(*seen.0.lock().unwrap(), ["WARN request", "WARN request", "DEBUG request"]);
        assert!(super::filter("tallyline=loud").is_err());
    }

    #[test]
    fn auto_is_human_on_a_terminal_only() {
        assert_eq!(format_of("auto", true).unwrap(), Format::Human);
        assert_eq!(format_of("auto", false).unwrap(), Format::Json);
        assert_eq!(format_of("human", false).unwrap(), Format::Human);
        assert_eq!(
            format_of("xml", true).unwrap_err().to_string(),
            r#"log.format: expected human, json or auto, not "xml""#
        );
    }
}
