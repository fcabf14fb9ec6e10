//! What every provider of analyses is.

use std::fmt::Debug;

use futures::future::BoxFuture;
use tallyline_model::LeadAnalysis;

use super::input::Input;
use super::retry::After;

/// Somebody who analyses.
pub(super) trait Provider: Debug + Send + Sync {
    /// Its name in tables and metrics.
    fn name(&self) -> &'static str;

    /// The most that an analysis may cost, in micro-units.
    fn most_micros(&self, input: &Input) -> i64 {
        let _ = input;
        0
    }

    /// Makes one analysis. Nothing is written and no transaction is open meanwhile.
    fn analyse<'a>(&'a self, input: &'a Input) -> BoxFuture<'a, Outcome>;
}

/// What an attempt came to, and what it used either way.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<LeadAnalysis, Failure>,
    pub(super) usage: Option<Usage>,
}

/// What was used, as the provider says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) model: Option<String>,
    pub(super) input_tokens: i64,
    pub(super) output_tokens: i64,
    pub(super) cost_micros: i64,
}

/// What is to become of an analysis that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is nothing to analyse.
    Skip,
    /// It will not get better.
    Fail,
    /// Another attempt may succeed; the endpoint itself is in order.
    Retry(Option<After>),
    /// Another attempt may succeed; the endpoint is out of order.
    Unreachable(Option<After>),
}

/// Why there is no analysis. `detail` holds nothing of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// Reasons that are found before anybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAnswered,
    NoInput,
    NeverEnded,
}

impl Failure {
    pub(super) fn new(verdict: Verdict, code: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict, code, detail: detail.into() }
    }

    pub(super) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotAnswered => Self::new(Verdict::Skip, "not_answered", ""),
            Refusal::NoInput => Self::new(Verdict::Skip, "no_input", ""),
            Refusal::NeverEnded => Self::new(Verdict::Fail, "never_ended", "begun too often and never ended"),
        }
    }
}
