//! What is analysed.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use tallyline_model::Scales;

/// A call, or the calls of a contact, oldest first.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) scales: Scales,
    pub(super) zone: Tz,
    pub(super) calls: Vec<CallInput>,
    /// Whether the calls are looked at together.
    pub(super) is_complete: bool,
}

/// One call. Its time is that of the call, never that of the analysis.
#[derive(Debug)]
pub(super) struct CallInput {
    pub(super) started_at: DateTime<Utc>,
    pub(super) direction: Option<String>,
    pub(super) transcript: Option<String>,
    pub(super) extracted_data: Option<Value>,
    pub(super) custom_extractions: Option<Value>,
    pub(super) agent_extraction: Option<Value>,
    /// What was found of this call alone, when calls are looked at together.
    pub(super) analysis: Option<Value>,
}

/// The text, or its beginning and end around a mark, at most `max_bytes` of it.
pub(super) fn cut_middle(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let half = max_bytes / 2;
    let head = (0..=half).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let tail = (text.len() - half..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    format!("{}\n[…]\n{}", &text[..head], &text[tail..])
}
