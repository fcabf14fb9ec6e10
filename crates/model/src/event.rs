//! One event: what a provider said about a call at one moment, in one form for
//! all providers.
//!
//! An event is made from a body alone and never changes. Stored as JSON it reads
//! back equal. A field that is absent, null, empty or bad is `None`; a bad one
//! leaves a flag, and the rest of the event still counts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::analysis::parse_analysis;
pub use crate::bolna::parse_bolna;
pub use crate::reject::Reject;
pub use crate::twilio::parse_twilio;

use crate::leg::Transfer;
use crate::serde_text::{decimal_text, serde_by_name, sha256_hex};
use crate::setup::{PastDial, Setup, Usage};
use crate::status::{StatusClass, named};

/// How far a provider's clock may run ahead of the receiver's before it is
/// disregarded, in minutes.
const CLOCK_AHEAD_MINUTES: i64 = 5;

/// Longest attempt number; providers retry at most three times.
pub(crate) const MAX_ATTEMPT: i64 = 3;

/// Longest duration, a day in seconds; more is an error of the sender.
pub(crate) const MAX_DURATION_SECONDS: i64 = 86_400;

/// Longest status kept, in characters.
pub(crate) const MAX_STATUS_CHARS: usize = 64;

/// Longest telephone number or address kept, in characters.
pub(crate) const MAX_NUMBER_CHARS: usize = 50;

/// What stands for a status that was not given.
pub(crate) const UNKNOWN_STATUS: &str = "unknown";

/// Who sent an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// The voice agent's platform.
    Bolna,
    /// The carrier.
    Twilio,
    /// Whoever analyses transcripts.
    Analysis,
}

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The customer called.
    Inbound,
    /// The agent called.
    Outbound,
}

/// By what way a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallSource {
    /// The telephone network.
    Phone,
    /// A browser or a socket.
    Internet,
    /// Not said.
    Unknown,
}

named!(Provider, "provider", { Bolna => "bolna", Twilio => "twilio", Analysis => "analysis" });
named!(Direction, "direction", { Inbound => "inbound", Outbound => "outbound" });
named!(CallSource, "call source", {
    Phone => "phone",
    Internet => "internet",
    Unknown => "unknown",
});
serde_by_name!(Provider, Direction, CallSource);

/// One event of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Who sent it.
    pub provider: Provider,
    /// Identity of the event, together with the provider: equal bodies are one event.
    #[serde(with = "sha256_hex")]
    pub body_sha256: [u8; 32],
    /// When it was first received; part of the event, hence stable.
    pub received_at: DateTime<Utc>,
    /// The execution that the call is, as far as the sender knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// The carrier's id of the dial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// The provider's id of the agent; UUIDs in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_ref: Option<String>,
    /// Twilio's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<String>,
    /// The dial that this leg belongs to; `None` for a dial of the call itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_call_sid: Option<String>,
    /// Which dial of the call, from 0. For Twilio 0 until merged with Bolna's.
    pub attempt: i32,
    /// The provider's status, verbatim; `unknown` if none was given, `analysis`
    /// for an analysis.
    pub status: String,
    /// The sender's time of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When the sender made its record of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// When dialling began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiated_at: Option<DateTime<Utc>>,
    /// What the event says.
    pub facts: Facts,
    /// What was wrong with it, sorted: `bad_field:…`, `truncated:…`, `too_deep:…`,
    /// `inconsistent_duration`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

impl Event {
    /// Class of the status; [`StatusClass::Waiting`] for unknown ones.
    pub fn class(&self) -> StatusClass {
        StatusClass::of(&self.status)
    }

    /// The time that orders events: the sender's, or that of receipt; never more
    /// than five minutes after receipt, so that one wrong clock blocks nothing.
    pub fn order_time(&self) -> DateTime<Utc> {
        let latest =
            self.received_at.checked_add_signed(TimeDelta::minutes(CLOCK_AHEAD_MINUTES)).unwrap_or(self.received_at);
        self.updated_at.unwrap_or(self.received_at).min(latest)
    }
}

/// What an event says about its call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Seconds of conversation, exact.
    #[serde(with = "decimal_text", skip_serializing_if = "Option::is_none")]
    pub conversation_seconds: Option<Decimal>,
    /// Seconds of the call on the line, ringing included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telephony_seconds: Option<i64>,
    /// The provider's price, in micro-units of the account's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_cost_micros: Option<i64>,
    /// Its parts in micro-units: `llm`, `network`, `platform`, `synthesizer`,
    /// `transcriber`, and beside them `transfer_cost` and what else the sender
    /// names; only the five sum to the price.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_legs: BTreeMap<String, i64>,
    /// Whether the price is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_settled: Option<bool>,
    /// Who called whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// By what way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CallSource>,
    /// The customer's number, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_number: Option<String>,
    /// The agent's number, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_number: Option<String>,
    /// The customer's name, as the caller of the API gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The customer's e-mail address, as the caller of the API gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    /// The conversation as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The provider's summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Where the recording is said to lie. Never fetched here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_url: Option<String>,
    /// Who hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_reason: Option<String>,
    /// The carrier's code for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_provider_code: Option<i64>,
    /// Why the call ended, in one vocabulary for all carriers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_reason: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Undocumented; may hint at a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smart_status: Option<String>,
    /// Whether a machine took the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by_voice_mail: Option<bool>,
    /// Free keys that the tenant configured; opaque.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracted_data: Option<Value>,
    /// What the agent extracted: JSON, or a string that holds it in some form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_extraction: Option<Value>,
    /// What the tenant's own extractions found: JSON, or a string that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_extractions: Option<Value>,
    /// How the call was to be made.
    #[serde(skip_serializing_if = "Setup::is_empty")]
    pub setup: Setup,
    /// Earlier dials, one for each attempt at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub past_dials: Vec<PastDial>,
    /// What it was made with.
    #[serde(skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The leg to a person that the agent handed the caller over to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// Twilio's order of firing, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<i64>,
    /// The analysis, for an event of [`Provider::Analysis`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<LeadAnalysis>,
}

/// An analysis of one call. Scores are as given; their scale is the tenant's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeadAnalysis {
    /// 0 to 100.
    pub intent_score: Option<i32>,
    /// 0 to 100.
    pub urgency_score: Option<i32>,
    /// 0 to 100.
    pub budget_score: Option<i32>,
    /// 0 to 100.
    pub fit_score: Option<i32>,
    /// 0 to 100.
    pub engagement_score: Option<i32>,
    /// A word for the score.
    pub intent_level: Option<String>,
    /// A word for the score.
    pub urgency_level: Option<String>,
    /// A word for the score.
    pub budget_constraint: Option<String>,
    /// A word for the score.
    pub fit_alignment: Option<String>,
    /// A word for the score.
    pub engagement_health: Option<String>,
    /// As given; 0 to 100. [`crate::scores::fit`] makes one that is missing.
    pub total_score: Option<i32>,
    /// Hot, Warm, Cold and others, as given.
    pub lead_status_tag: Option<String>,
    /// The reasons, by score; null if not given.
    pub reasoning: Value,
    /// The company that was named.
    pub company_name: Option<String>,
    /// The name that was given.
    pub extracted_name: Option<String>,
    /// The e-mail address that was given; placeholders are dropped.
    pub extracted_email: Option<String>,
    /// One line for the tenant.
    pub smart_notification: Option<String>,
    /// What was talked about, in the analyser's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript_summary: Option<String>,
    /// When a demonstration was agreed for.
    pub demo_book_datetime: Option<DateTime<Utc>>,
    /// When the customer wants to be spoken to again, where a zone was given with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_at: Option<DateTime<Utc>>,
    /// The same as a day of the tenant's zone; it goes before the instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_date: Option<NaiveDate>,
    /// Asked for prices.
    pub cta_pricing_clicked: bool,
    /// Asked for a demonstration.
    pub cta_demo_clicked: bool,
    /// Asked for a call back.
    pub cta_followup_clicked: bool,
    /// Asked for a sample.
    pub cta_sample_clicked: bool,
    /// Asked for a person.
    pub cta_escalated_to_human: bool,
}

impl LeadAnalysis {
    /// Whether the customer is to be spoken to again: a time is named, a call back
    /// was asked for, or the tag says "follow … later" in any spelling of case.
    pub fn asks_follow_up(&self) -> bool {
        let tagged = |tag: &String| {
            let tag = tag.to_lowercase();
            tag.split_once("follow").is_some_and(|(_, rest)| rest.contains("later"))
        };
        self.follow_up_at.is_some()
            || self.follow_up_date.is_some()
            || self.cta_followup_clicked
            || self.lead_status_tag.as_ref().is_some_and(tagged)
    }
}

/// Whether a receiver can keep `body` as an event: well-formed, without doubled
/// top-level keys, naming a call. What the event says is not looked at.
pub fn usable_id(provider: Provider, body: &[u8]) -> Result<(), Reject> {
    match provider {
        Provider::Bolna => crate::bolna::identified(body).map(drop),
        Provider::Analysis => crate::analysis::identified(body).map(drop),
        Provider::Twilio => crate::twilio::identified(body).map(drop),
    }
}

/// An agent's id as events name it: UUIDs in lower case, others as they are.
pub fn agent_ref(id: &str) -> String {
    crate::json::fold_uuid(id.to_owned())
}
