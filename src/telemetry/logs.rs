//! Logs go to standard error: for people on a terminal, as JSON lines elsewhere.
//!
//! What is logged never holds bodies, numbers, transcripts or keys; callers log
//! ids and counts.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tallyline_queue::JobLog;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::names::LOG_MESSAGES;
use crate::config;

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
    /// Something else took the logs already.
    #[error("cannot take over logging: {0}")]
    Installed(#[from] TryInitError),
    /// The level cannot be changed any more.
    #[error("log.level: {0}")]
    Reload(#[from] reload::Error),
}

impl LogError {
    /// The key that is wrong, and what is wrong with it.
    pub fn key_and_message(&self) -> (&'static str, String) {
        match self {
            LogError::Format(word) => ("log.format", format!("expected human, json or auto, not {word:?}")),
            LogError::Filter(error) => ("log.level", error.to_string()),
            LogError::Installed(_) | LogError::Reload(_) => ("log", self.to_string()),
        }
    }
}

/// The filter of the process, once logging is set up.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Whether level and format mean something.
///
/// # Errors
/// [`LogError::Filter`] and [`LogError::Format`].
pub fn check(log: &config::Log) -> Result<(), LogError> {
    format_of(&log.format, false)?;
    EnvFilter::builder().parse(&log.level)?;
    Ok(())
}

/// Changes the level while the process runs; nothing happens before [`init`].
///
/// # Errors
/// When the level means nothing.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter = EnvFilter::builder().parse(level)?;
    if let Some(handle) = FILTER.get() {
        handle.reload(filter)?;
    }
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
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(&log.level)?);
    FILTER.get_or_init(|| handle);
    let registry = tracing_subscriber::registry().with(filter).with(CountMessages).with(JobLog);
    let writer = fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Human => {
            // A convention between programs (no-color.org) and no setting of ours.
            let ansi = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(writer.with_ansi(ansi).with_target(false)).try_init()?;
        }
        Format::Json => {
            registry.with(writer.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init()?
        }
    }
    Ok(())
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
