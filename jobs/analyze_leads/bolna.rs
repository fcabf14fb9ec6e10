//! Analyses that Bolna's agents extracted: nobody is asked.

use futures::FutureExt;
use futures::future::BoxFuture;
use tallyline_model::LeadAnalysis;
use tallyline_model::extraction::{self, Extraction, NoAnalysis};

use super::input::Input;
use super::provider::{Failure, Outcome, Provider, Verdict};

#[derive(Debug)]
pub(super) struct Bolna;

impl Provider for Bolna {
    fn name(&self) -> &'static str {
        "bolna"
    }

    fn analyse<'a>(&'a self, input: &'a Input) -> BoxFuture<'a, Outcome> {
        std::future::ready(Outcome { result: read(input), usage: None }).boxed()
    }
}

fn read(input: &Input) -> Result<LeadAnalysis, Failure> {
    let call = input.calls.first();
    let extraction = call.map_or_else(Extraction::default, |call| Extraction {
        extracted_data: call.extracted_data.as_ref(),
        custom_extractions: call.custom_extractions.as_ref(),
        agent_extraction: call.agent_extraction.as_ref(),
    });
    extraction::read(extraction, input.scales).map_err(|reason| match reason {
        NoAnalysis::Unreadable => Failure::new(Verdict::Fail, "unreadable_extraction", reason.to_string()),
        NoAnalysis::NothingUsable => Failure::new(Verdict::Skip, "nothing_extracted", reason.to_string()),
    })
}
