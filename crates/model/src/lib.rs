//! What a call is, worked out from the events that providers send.
//!
//! Everything here is pure: no clock, no I/O, no runtime. Bytes become an
//! [`Event`], a set of events becomes a [`CallState`], and the same set always
//! gives the same state, whatever the order and however often each event came.

#![warn(missing_docs)]

mod analysis;
mod bolna;
pub mod complete;
mod decimal;
pub mod email;
pub mod event;
mod exact;
pub mod extraction;
mod json;
pub mod leg;
pub mod loose;
pub mod merge;
pub mod money;
mod ordered;
pub mod phone;
mod posted;
pub mod reject;
pub mod rules;
pub mod scores;
mod serde_text;
pub mod setup;
mod source;
pub mod status;
pub mod time;
mod twilio;
mod voicemail;

pub use email::usable_email;
pub use event::{
    CallSource, Direction, Event, Facts, LeadAnalysis, Provider, agent_ref, parse_analysis, parse_bolna, parse_twilio,
    usable_id,
};
pub use leg::{LegKind, LegState, Transfer};
pub use merge::{AttemptState, CallState, Providers, bills, latest_analysis, merge};
pub use money::{billed_minutes, cents_text_to_micros, charge_micro_credits, credits_text_to_micros};
pub use phone::normalise_e164;
pub use posted::{analysis_body, analysis_object};
pub use reject::Reject;
pub use scores::{Scales, Thresholds};
pub use setup::{PastDial, RetryConfig, Setup, Tokens, Usage};
pub use status::{Outcome, StatusClass, UnknownName};
pub use time::{parse_instant, quarter_start};
