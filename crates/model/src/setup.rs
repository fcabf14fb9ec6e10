//! What a record says of how its call was to be made, and with what.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ordered::Ordered;
use crate::serde_text::decimal_text;

/// When, in what batch and with how many tries a call is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// When the dial is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<DateTime<Utc>>,
    /// To when it was put off, since it fell outside of the calling hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescheduled_at: Option<DateTime<Utc>>,
    /// The batch that it is a row of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    /// The campaign that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<String>,
    /// Whether and when a failed dial is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
}

/// When a failed dial is repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryConfig {
    /// Whether at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How often at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
    /// After which statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_statuses: Vec<String>,
    /// Whether after a machine too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_voicemail: Option<bool>,
    /// After how long, in minutes, by retry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intervals_minutes: Vec<i64>,
}

/// A dial that a later record tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastDial {
    /// From 0, as events count.
    pub attempt: i32,
    /// How it ended, verbatim.
    pub status: String,
    /// When that was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

/// Models, their makers, and how much of each a call took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Language models by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub llm_models: BTreeMap<String, Tokens>,
    /// Who runs them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub llm_providers: BTreeSet<String>,
    /// Tokens of all models, as counted by the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_tokens: Option<i64>,
    /// The voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthesizer_model: Option<String>,
    /// Whose voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthesizer_provider: Option<String>,
    /// Characters spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthesizer_characters: Option<i64>,
    /// What wrote the caller's words down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcriber_model: Option<String>,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcriber_provider: Option<String>,
    /// Seconds listened to, exact.
    #[serde(with = "decimal_text", skip_serializing_if = "Option::is_none")]
    pub transcriber_seconds: Option<Decimal>,
}

/// Tokens of one language model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<i64>,
    /// Written by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<i64>,
}

impl Setup {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each part as the last event that has it says.
    pub(crate) fn of(events: &Ordered<'_>) -> Self {
        Self {
            scheduled_at: events.last(|event| event.facts.setup.scheduled_at),
            rescheduled_at: events.last(|event| event.facts.setup.rescheduled_at),
            batch_id: events.last(|event| event.facts.setup.batch_id.clone()),
            campaign_id: events.last(|event| event.facts.setup.campaign_id.clone()),
            retry: events.last(|event| event.facts.setup.retry.clone()),
        }
    }
}

impl RetryConfig {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Usage {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each part as the last event that has it says.
    pub(crate) fn of(events: &Ordered<'_>) -> Self {
        let text = |field: fn(&Self) -> &Option<String>| events.last(|event| field(&event.facts.usage).clone());
        let models = events.last(|event| {
            let models = &event.facts.usage.llm_models;
            (!models.is_empty()).then(|| models.clone())
        });
        let providers = events.last(|event| {
            let providers = &event.facts.usage.llm_providers;
            (!providers.is_empty()).then(|| providers.clone())
        });
        Self {
            llm_models: models.unwrap_or_default(),
            llm_providers: providers.unwrap_or_default(),
            llm_tokens: events.last(|event| event.facts.usage.llm_tokens),
            synthesizer_model: text(|usage| &usage.synthesizer_model),
            synthesizer_provider: text(|usage| &usage.synthesizer_provider),
            synthesizer_characters: events.last(|event| event.facts.usage.synthesizer_characters),
            transcriber_model: text(|usage| &usage.transcriber_model),
            transcriber_provider: text(|usage| &usage.transcriber_provider),
            transcriber_seconds: events.last(|event| event.facts.usage.transcriber_seconds),
        }
    }
}
