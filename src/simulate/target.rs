//! Whom to send to, and how much.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SimulateError;
use crate::ledger::{TenantTally, Terms};

/// A tenant that traffic is made for. Holds secrets: `Debug` does not show them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    pub user_id: Uuid,
    pub name: String,
    /// IANA name.
    pub timezone: String,
    pub billing_pulse_seconds: i32,
    pub credits_per_minute_micros: i64,
    /// The full total score that thresholds are percentages of.
    pub score_scale: i32,
    /// The full single score; five of them are drawn from 1 to this.
    pub dimension_scale: i32,
    pub hot_threshold_percent: i32,
    pub warm_threshold_percent: i32,
    pub cold_threshold_percent: i32,
    /// The secret is the bearer token.
    pub bolna: EndpointSecret,
    /// Without it no callbacks of the carrier are sent.
    #[serde(default)]
    pub twilio: Option<TwilioSecret>,
    /// The secret is that of Standard Webhooks, `whsec_` and base64. Without it
    /// no analyses are sent.
    #[serde(default)]
    pub analysis: Option<EndpointSecret>,
    /// Who analyses the tenant's calls.
    #[serde(default)]
    pub leads_by: LeadsBy,
    /// At least one.
    pub agents: Vec<TargetAgent>,
}

/// Where a tenant's leads come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadsBy {
    /// Analyses are posted to the tenant's endpoint.
    #[default]
    Webhook,
    /// The voice agent extracts them.
    Bolna,
    /// The daemon finds them in the transcript by rules.
    Rules,
    /// The daemon asks a model.
    OpenAi,
}

impl LeadsBy {
    /// The provider's name in a tenant's settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Bolna => "bolna",
            Self::Rules => "rules",
            Self::OpenAi => "openai",
        }
    }
}

/// An agent whose calls are made up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetAgent {
    pub id: Uuid,
    pub bolna_agent_id: String,
    pub name: String,
}

/// The last part of an endpoint's path, and its secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct EndpointSecret {
    pub endpoint: String,
    pub secret: String,
}

/// The same for the carrier, whose account signs.
#[derive(Clone, Serialize, Deserialize)]
pub struct TwilioSecret {
    pub endpoint: String,
    pub auth_token: String,
    pub account_sid: String,
}

impl std::fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSecret").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TwilioSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TwilioSecret").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// How much traffic, and how untidy.
#[derive(Debug, Clone)]
pub struct SimulateOptions {
    /// Origin of the receiver, such as `http://127.0.0.1:8080`. Plain HTTP only.
    pub url: String,
    /// Origin that the carrier signs; the receiver's `http.public_origin`.
    pub public_origin: String,
    pub calls: u64,
    /// Calls begun per second; as fast as answers come if `None`.
    pub rate: Option<f64>,
    /// Fraction of the events that are sent twice, byte for byte.
    pub duplicates: f64,
    /// Fraction of the calls whose events are shuffled.
    pub reorder: f64,
    /// Fraction of the calls that are held back and sent at the very end.
    pub late: f64,
    /// Fraction of the ended calls of whose end no webhook tells.
    pub withheld: f64,
    /// Equal seeds (and targets, and options) make equal traffic.
    pub seed: u64,
    /// Calls being sent at once.
    pub concurrency: usize,
    /// No event is later than this.
    pub now: DateTime<Utc>,
    /// Calls lie in the last that many whole local days and in today.
    pub days: u32,
    /// Where every delivery is noted with its answer, a [`super::history::Delivered`] a line.
    pub history: Option<PathBuf>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub calls_sent: u64,
    pub calls: u64,
    /// Deliveries acknowledged, repeated ones included.
    pub events_sent: u64,
    /// Deliveries that had to be tried again.
    pub retries: u64,
}

impl Target {
    pub(super) fn zone(&self) -> Result<Tz, SimulateError> {
        self.timezone.parse().map_err(|_| SimulateError::Zone(self.timezone.clone()))
    }

    pub(super) fn tally(&self) -> Result<TenantTally, SimulateError> {
        let terms = Terms {
            billing_pulse_seconds: i64::from(self.billing_pulse_seconds),
            credits_per_minute_micros: self.credits_per_minute_micros,
            score_scale: i64::from(self.score_scale),
            hot_threshold_percent: i64::from(self.hot_threshold_percent),
            warm_threshold_percent: i64::from(self.warm_threshold_percent),
            cold_threshold_percent: i64::from(self.cold_threshold_percent),
        };
        Ok(TenantTally::new(self.user_id, &self.name, self.zone()?, terms))
    }
}
