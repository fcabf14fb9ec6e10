//! How the call was to be made, its earlier dials, and with what it was made.

use std::collections::{BTreeMap, BTreeSet};

use crate::decimal;
use crate::event::{MAX_ATTEMPT, MAX_DURATION_SECONDS, MAX_STATUS_CHARS};
use crate::json::{Flags, Object};
use crate::setup::{PastDial, RetryConfig, Setup, Tokens, Usage};

use super::MAX_NAME_CHARS;

/// Items of a list that are read; the rest is left out and flagged.
const MAX_ITEMS: usize = 16;

/// The largest number of retries and the longest pause (a year) believed.
const MAX_RETRIES: i64 = 100;
const MAX_PAUSE_MINUTES: i64 = 366 * 24 * 60;

/// The largest amount of tokens or characters believed for one call.
const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// What a language model does in a call.
const PHASES: [&str; 5] = ["conversation", "hangup", "analytics", "extraction", "summarization"];

pub(super) fn read_setup(top: &Object<'_>, flags: &mut Flags) -> Setup {
    Setup {
        scheduled_at: top.instant("scheduled_at", flags),
        rescheduled_at: top.instant("rescheduled_at", flags),
        batch_id: top.lenient_id("batch_id", flags),
        campaign_id: top.lenient_id("campaign_id", flags),
        retry: read_retry_config(top, flags),
    }
}

fn read_retry_config(top: &Object<'_>, flags: &mut Flags) -> Option<RetryConfig> {
    let given = top.object("retry_config", "retry_config", flags)?;
    let config = RetryConfig {
        enabled: given.boolean("enabled", flags),
        max_retries: given.number("max_retries", flags, |text| decimal::whole_number(text, MAX_RETRIES)),
        on_statuses: given.texts("retry_on_statuses", MAX_ITEMS, MAX_STATUS_CHARS, flags),
        on_voicemail: given.boolean("retry_on_voicemail", flags),
        intervals_minutes: given.numbers("retry_intervals_minutes", MAX_ITEMS, flags, |text| {
            decimal::whole_number(text, MAX_PAUSE_MINUTES)
        }),
    };
    (!config.is_empty()).then_some(config)
}

/// The earlier dials; the history counts them from 1. Of two items for one dial
/// the later one in the list counts.
pub(super) fn read_past_dials(top: &Object<'_>, flags: &mut Flags) -> Vec<PastDial> {
    let mut dials: BTreeMap<i32, PastDial> = BTreeMap::new();
    for item in top.objects("retry_history", "retry_history", MAX_ITEMS, flags) {
        let number = item.number("attempt", flags, |text| {
            let number = decimal::whole_number(text, MAX_ATTEMPT + 1)?;
            i32::try_from(number).ok().filter(|number| *number > 0)
        });
        let status = item.short_text("status", MAX_STATUS_CHARS, flags);
        let at = item.recent_instant("at", flags);
        match (number, status) {
            (Some(number), Some(status)) => {
                let attempt = number - 1;
                dials.insert(attempt, PastDial { attempt, status, at });
            }
            _ => flags.bad_field("retry_history"),
        }
    }
    dials.into_values().collect()
}

/// Both spellings of the names, as both are sent.
pub(super) fn read_usage(top: &Object<'_>, flags: &mut Flags) -> Usage {
    let Some(given) = top.object("usage_breakdown", "usage_breakdown", flags) else {
        return Usage::default();
    };
    let amount = |text: &str| decimal::whole_number(text, MAX_AMOUNT);
    let mut name = |key| given.short_text(key, MAX_NAME_CHARS, flags);
    let synthesizer = (name("synthesizer_model"), name("synthesizer_provider"));
    let transcriber = (name("transcriber_model"), name("transcriber_provider"));
    let mut count = |key| given.number(key, flags, amount);
    Usage {
        llm_tokens: count("llm_tokens").or(count("llmTokens")),
        synthesizer_characters: count("synthesizer_characters"),
        llm_models: read_models(&given, flags),
        llm_providers: read_providers(&given, flags),
        synthesizer_model: synthesizer.0,
        synthesizer_provider: synthesizer.1,
        transcriber_model: transcriber.0,
        transcriber_provider: transcriber.1,
        transcriber_seconds: given
            .number("transcriber_duration", flags, |text| decimal::seconds(text, MAX_DURATION_SECONDS)),
    }
}

fn read_models(given: &Object<'_>, flags: &mut Flags) -> BTreeMap<String, Tokens> {
    let key = if given.has("llm_model") { "llm_model" } else { "llmModel" };
    let Some(models) = given.object(key, "usage_breakdown.llm_model", flags) else {
        return BTreeMap::new();
    };
    let amount = |text: &str| decimal::whole_number(text, MAX_AMOUNT);
    let mut found = BTreeMap::new();
    for name in models.names(MAX_NAME_CHARS) {
        if found.len() == MAX_ITEMS {
            flags.add("truncated:usage_breakdown.llm_model");
            break;
        }
        let tokens = models.object(name, "usage_breakdown.llm_model", &mut Flags::default()).unwrap_or_default();
        let mut count = |key| tokens.number(key, flags, amount);
        found.insert(name.to_owned(), Tokens { input: count("input"), output: count("output") });
    }
    found
}

fn read_providers(given: &Object<'_>, flags: &mut Flags) -> BTreeSet<String> {
    let phases = given.object("llm_usage_breakdown", "usage_breakdown.llm_usage_breakdown", flags).unwrap_or_default();
    let mut quiet = Flags::default();
    let mut provider = |phase: &str| {
        let phase = phases.object(phase, "usage_breakdown.llm_usage_breakdown", &mut quiet)?;
        phase.short_text("provider", MAX_NAME_CHARS, &mut quiet)
    };
    PHASES.into_iter().filter_map(&mut provider).collect()
}
