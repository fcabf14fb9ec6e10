//! A planned call: what happened, what is sent of it, and what must be counted.

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use super::clock::TimeForm;
use super::content::Content;
use crate::ledger::{CallTruth, Direction, Outcome};

/// By whom a call is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Twilio,
    Plivo,
    /// A browser: no numbers, no telephony data.
    Web,
}

impl Carrier {
    /// The name in the webhook.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Plivo => "plivo",
            Self::Web => "web-call",
        }
    }
}

/// How one dial ends. With [`Attempt::conversation_millis`] it decides the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Completed,
    Voicemail,
    NoAnswer,
    Busy,
    Failed,
    Error,
    BalanceLow,
    Canceled,
    Stopped,
    /// Still scheduled.
    StuckWaiting,
    /// Ringing or talking, and never heard of again.
    StuckLive,
    /// The line has dropped, the result never came.
    StuckSoftEnd,
}

impl Ending {
    /// The status of the last webhook; `None` for calls that are not over.
    pub(super) fn status(self) -> Option<&'static str> {
        match self {
            Self::Completed | Self::Voicemail => Some("completed"),
            Self::NoAnswer => Some("no-answer"),
            Self::Busy => Some("busy"),
            Self::Failed => Some("failed"),
            Self::Error => Some("error"),
            Self::BalanceLow => Some("balance-low"),
            Self::Canceled => Some("canceled"),
            Self::Stopped => Some("stopped"),
            Self::StuckWaiting | Self::StuckLive | Self::StuckSoftEnd => None,
        }
    }

    pub(super) fn outcome(self, conversation_millis: i64) -> Outcome {
        match self {
            Self::Completed if conversation_millis > 0 => Outcome::Answered,
            Self::Completed | Self::NoAnswer => Outcome::NoAnswer,
            Self::Voicemail => Outcome::Voicemail,
            Self::Busy => Outcome::Busy,
            Self::Failed | Self::Error | Self::BalanceLow => Outcome::Failed,
            Self::Canceled | Self::Stopped => Outcome::Cancelled,
            Self::StuckWaiting | Self::StuckLive | Self::StuckSoftEnd => Outcome::InProgress,
        }
    }
}

/// One dial.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub ending: Ending,
    /// As written in the webhooks; `None` where the provider does not say.
    pub initiated_at: Option<DateTime<Utc>>,
    /// `None` for what was never dialled, and in a browser.
    pub call_sid: Option<String>,
    /// Whether the first webhooks do not know the sid yet.
    pub is_sid_late: bool,
    pub conversation_millis: i64,
    pub ring_seconds: i64,
}

/// How much is known when a Bolna webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Waiting,
    Live,
    SoftEnd,
    End,
}

/// Prices of llm, network, platform, synthesizer and transcriber in 1/100,000
/// of a cent.
pub type CostLegs = [i64; 5];

/// What one delivery says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Bolna {
        attempt: usize,
        status: &'static str,
        stage: Stage,
        cost: CostLegs,
        billing_settled: Option<bool>,
        /// Whether it is a tool's pre-call webhook: the record with more keys.
        is_hook: bool,
    },
    Twilio {
        attempt: usize,
        status: &'static str,
        sequence: u32,
        /// In terminal callbacks only.
        duration_seconds: Option<i64>,
        /// Whether it is of the leg to the person that the caller was put through to.
        is_transfer: bool,
    },
    Analysis {
        scores: [i64; 5],
        clicks: [bool; 5],
        has_company: bool,
    },
}

/// A message and its sender's time, at which it is also meant to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedEvent {
    pub at: DateTime<Utc>,
    pub message: Message,
}

/// One call of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCall {
    /// Place of the tenant in the list of targets.
    pub target: usize,
    /// Place of the agent in the tenant's list.
    pub agent: usize,
    pub execution_id: Uuid,
    pub time_form: TimeForm,
    pub carrier: Carrier,
    pub direction: Direction,
    pub customer_number: String,
    pub agent_number: String,
    pub content: Content,
    pub created_at: DateTime<Utc>,
    /// Whether failed dials are repeated; then every webhook numbers its dial.
    pub is_retried: bool,
    pub attempts: Vec<Attempt>,
    /// Distinct events, in the order of their times.
    pub events: Vec<PlannedEvent>,
    /// Places in `events`, in the order of sending; repeated ones are duplicates.
    pub sends: Vec<usize>,
    pub is_reordered: bool,
    pub is_late: bool,
    /// Whether the webhooks of its end are never sent: the platform must be asked.
    pub is_withheld: bool,
    pub truth: CallTruth,
}
