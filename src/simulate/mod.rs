//! Traffic for a receiver: calls of several tenants as providers would report
//! them, with repeated, shuffled and late deliveries, and a ledger of what must
//! be counted for them. The ledger is written from what was decided about the
//! calls, and shares no code with what it is used to check.

mod analysis;
mod bolna;
pub mod call;
mod clock;
pub mod content;
mod dice;
pub mod history;
mod moments;
mod plan;
mod script;
mod send;
pub mod stand_in;
mod target;
mod twilio;

#[cfg(test)]
mod tests;

use uuid::Uuid;

pub use call::PlannedCall;
pub use plan::plan;
pub use send::run;
pub use stand_in::StandIn;
pub use target::{EndpointSecret, LeadsBy, Progress, SimulateOptions, Target, TargetAgent, TwilioSecret};

/// Why traffic could not be made or sent. No message holds a secret or a number.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("there is no tenant to make traffic for")]
    NoTargets,
    #[error("tenant {0} has no agent")]
    NoAgents(Uuid),
    #[error("\"{0}\" is not a time zone")]
    Zone(String),
    #[error("a fraction is not between 0 and 1")]
    Fraction,
    #[error("\"{0}\" is not a percentage between 0% and 100%")]
    Percent(String),
    #[error("the receiver's address must start with http://")]
    Url,
    #[error("a secret for analyses is not whsec_ and base64")]
    Secret,
    #[error("no port for the services that stand in: {0}")]
    Listen(std::io::Error),
    #[error("the history cannot be written: {0}")]
    History(std::io::Error),
    #[error("no HTTP client: {0}")]
    Client(reqwest::Error),
    #[error("the receiver refused a {provider} webhook with {status}")]
    Refused { provider: &'static str, status: u16 },
    #[error("the receiver has not taken a {provider} webhook for four minutes (last answer: {status:?})")]
    Unreachable { provider: &'static str, status: Option<u16> },
}

/// Reads `5%`, `0.5 %` or a fraction such as `0.05`; gives the fraction.
///
/// # Errors
/// The text is no number, or lies outside 0 to 100 %.
pub fn parse_percent(text: &str) -> Result<f64, SimulateError> {
    let number = |digits: &str| digits.trim().parse::<f64>().ok();
    let fraction = match text.trim().strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    fraction.filter(|fraction| (0.0..=1.0).contains(fraction)).ok_or_else(|| SimulateError::Percent(text.to_owned()))
}
