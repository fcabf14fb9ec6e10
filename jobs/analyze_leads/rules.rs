//! Analyses by fixed rules: nobody is asked.

use futures::FutureExt;
use futures::future::BoxFuture;
use tallyline_model::{LeadAnalysis, rules};

use super::input::Input;
use super::provider::{Failure, Outcome, Provider, Verdict};

#[derive(Debug)]
pub(super) struct Rules;

impl Provider for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn analyse<'a>(&'a self, input: &'a Input) -> BoxFuture<'a, Outcome> {
        std::future::ready(Outcome { result: score(input), usage: None }).boxed()
    }
}

fn score(input: &Input) -> Result<LeadAnalysis, Failure> {
    let transcript = input.calls.first().and_then(|call| call.transcript.as_deref()).unwrap_or_default();
    rules::analyse(transcript, input.scales)
        .ok_or_else(|| Failure::new(Verdict::Skip, "customer_silent", "the customer said nothing"))
}
