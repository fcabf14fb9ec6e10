//! Calls in columns: one row a call, with what the roll-ups count of it.

use std::collections::HashMap;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use uuid::Uuid;

use crate::error::HistoryError;
use crate::fingerprint;
use crate::wire::WireError;

/// Values of `outcome`; column `outcome` holds the position.
pub const OUTCOMES: [&str; 7] = ["answered", "voicemail", "no_answer", "busy", "failed", "cancelled", "in_progress"];
/// Values of `lead_type`; column `lead_type` holds the position.
pub const LEAD_TYPES: [&str; 2] = ["inbound", "outbound"];
/// Values of `call_source`; column `call_source` holds the position.
pub const SOURCES: [&str; 3] = ["phone", "internet", "unknown"];
/// Values of `quality`; column `quality` holds the position.
pub const QUALITIES: [&str; 4] = ["hot", "warm", "cold", "unqualified"];
/// The scores of a lead, in the order of [`CallRow::scores`].
pub const SCORES: [&str; 6] =
    ["intent_score", "urgency_score", "budget_score", "fit_score", "engagement_score", "total_score"];
/// What is true or false of a call, in the order of [`CallRow::flags`]. Of a call
/// without a lead nothing here is true.
pub const FLAGS: [&str; 10] = [
    "is_lead",
    "has_company",
    "high_intent",
    "high_budget",
    "urgent",
    "cta_pricing_clicked",
    "cta_demo_clicked",
    "cta_followup_clicked",
    "cta_sample_clicked",
    "cta_escalated_to_human",
];

/// Clicks of a lead that [`Lead::clicks`] holds: the last of [`FLAGS`], in their order.
pub const CLICKS: [&str; 5] =
    ["cta_pricing_clicked", "cta_demo_clicked", "cta_followup_clicked", "cta_sample_clicked", "cta_escalated_to_human"];

/// One call as it stands in `calls`, with its lead: what the figures and the
/// fingerprint depend on, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// The call.
    pub call_id: Uuid,
    /// Agent that made the call.
    pub agent_id: Uuid,
    /// Time of the call, microseconds since the Unix epoch.
    pub started_at_micros: i64,
    /// Position in [`OUTCOMES`].
    pub outcome: i32,
    /// Whole seconds of conversation.
    pub duration_seconds: i32,
    /// Begun minutes of conversation.
    pub duration_minutes: i32,
    /// Charged micro-credits.
    pub credits_micros: i64,
    /// The provider's cost in micros of the tenant's currency.
    pub cost_micros: i64,
    /// Position in [`LEAD_TYPES`].
    pub lead_type: Option<i32>,
    /// Position in [`SOURCES`].
    pub call_source: i32,
    /// The customer, if known.
    pub contact_id: Option<Uuid>,
    /// The individual analysis of the call, if there is one.
    pub lead: Option<Lead>,
}

/// The individual analysis of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Its id.
    pub lead_id: Uuid,
    /// Position in [`QUALITIES`]; none without a total score.
    pub quality: Option<i32>,
    /// As the analysis gave it; may be empty.
    pub company_name: Option<String>,
    /// Highest value of a single score.
    pub dimension_scale: i32,
    /// In the order of [`SCORES`].
    pub scores: [Option<i32>; 6],
    /// In the order of [`CLICKS`].
    pub clicks: [bool; 5],
}

impl CallRow {
    /// What is true of the call, in the order of [`FLAGS`].
    pub fn flags(&self) -> [bool; 10] {
        let Some(lead) = &self.lead else { return [false; 10] };
        // High is 70 percent of the scale, as in `tally.call_metrics`.
        let high =
            |score: Option<i32>| score.is_some_and(|s| i64::from(s) * 100 >= 70 * i64::from(lead.dimension_scale));
        let [intent, urgency, budget, ..] = lead.scores;
        let [pricing, demo, followup, sample, human] = lead.clicks;
        let has_company = lead.company_name.as_ref().is_some_and(|name| !name.is_empty());
        let (high_intent, high_budget, urgent) = (high(intent), high(budget), high(urgency));
        [true, has_company, high_intent, high_budget, urgent, pricing, demo, followup, sample, human]
    }
}

/// Calls of one tenant: the frame, and what its numbers for agents and contacts mean.
#[derive(Debug, Clone)]
pub struct Calls {
    /// One row a call; `agent` and `contact` are positions in the two lists.
    pub frame: DataFrame,
    /// Agents, in the order of their first appearance.
    pub agents: Vec<Uuid>,
    /// Contacts, in the order of their first appearance.
    pub contacts: Vec<Uuid>,
    /// What tells one call from another, if it was asked for.
    pub identities: Option<Identities>,
}

/// The fields that no figure needs but the fingerprint does, in the order of the
/// frame's rows. Only a file that replaces the calls has to carry them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    /// The calls.
    pub call_ids: Vec<Uuid>,
    /// Their leads.
    pub lead_ids: Vec<Option<Uuid>>,
    /// The leads' companies.
    pub company_names: Vec<Option<String>>,
    /// The leads' scales; none without a lead.
    pub dimension_scales: Vec<Option<i32>>,
}

impl Identities {
    fn push(&mut self, row: &CallRow) {
        let lead = row.lead.as_ref();
        self.call_ids.push(row.call_id);
        self.lead_ids.push(lead.map(|l| l.lead_id));
        self.company_names.push(lead.and_then(|l| l.company_name.clone()));
        self.dimension_scales.push(lead.map(|l| l.dimension_scale));
    }
}

impl Calls {
    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Numbers ids by first appearance.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    numbers: HashMap<Uuid, u32>,
    ids: Vec<Uuid>,
}

impl Dictionary {
    pub(crate) fn number(&mut self, name: &'static str, id: Uuid) -> Result<u32, WireError> {
        if let Some(&number) = self.numbers.get(&id) {
            return Ok(number);
        }
        let number = u32::try_from(self.ids.len()).map_err(|_| WireError::TooMany(name))?;
        self.numbers.insert(id, number);
        self.ids.push(id);
        Ok(number)
    }
}

/// Collects rows into columns.
#[derive(Debug, Default)]
pub struct CallsBuilder {
    agents: Dictionary,
    contacts: Dictionary,
    agent: Vec<u32>,
    contact: Vec<Option<u32>>,
    started_at: Vec<i64>,
    outcome: Vec<i32>,
    duration_seconds: Vec<i32>,
    duration_minutes: Vec<i32>,
    credits_micros: Vec<i64>,
    cost_micros: Vec<i64>,
    lead_type: Vec<Option<i32>>,
    call_source: Vec<i32>,
    quality: Vec<Option<i32>>,
    scores: [Vec<Option<i32>>; 6],
    flags: [Vec<bool>; 10],
    fingerprint_hi: Vec<i64>,
    fingerprint_lo: Vec<i64>,
    identities: Option<Identities>,
    text: Vec<u8>,
}

impl CallsBuilder {
    /// A builder whose calls keep their [`Identities`].
    pub fn with_identities() -> CallsBuilder {
        CallsBuilder { identities: Some(Identities::default()), ..CallsBuilder::default() }
    }

    /// Adds a call.
    ///
    /// # Errors
    /// When there are more than four thousand million different agents or contacts.
    pub fn push(&mut self, row: &CallRow) -> Result<(), WireError> {
        self.agent.push(self.agents.number("agent_id", row.agent_id)?);
        let contact = row.contact_id.map(|id| self.contacts.number("contact_id", id)).transpose()?;
        self.contact.push(contact);
        self.started_at.push(row.started_at_micros);
        self.outcome.push(row.outcome);
        self.duration_seconds.push(row.duration_seconds);
        self.duration_minutes.push(row.duration_minutes);
        self.credits_micros.push(row.credits_micros);
        self.cost_micros.push(row.cost_micros);
        self.lead_type.push(row.lead_type);
        self.call_source.push(row.call_source);
        let lead = row.lead.as_ref();
        self.quality.push(lead.and_then(|l| l.quality));
        for (column, score) in self.scores.iter_mut().zip(lead.map_or([None; 6], |l| l.scores)) {
            column.push(score);
        }
        for (column, flag) in self.flags.iter_mut().zip(row.flags()) {
            column.push(flag);
        }
        let fingerprint = fingerprint::of(row, &mut self.text);
        self.fingerprint_hi.push(fingerprint.hi());
        self.fingerprint_lo.push(fingerprint.lo());
        if let Some(identities) = &mut self.identities {
            identities.push(row);
        }
        Ok(())
    }

    /// The frame of all calls added.
    ///
    /// # Errors
    /// When Polars refuses the columns, which would be a mistake here.
    pub fn finish(self) -> Result<Calls, HistoryError> {
        let mut columns: Vec<Column> = vec![
            Series::new("agent".into(), self.agent).into(),
            Series::new("contact".into(), self.contact).into(),
            Series::new("started_at".into(), self.started_at).into(),
            Series::new("outcome".into(), self.outcome).into(),
            Series::new("duration_seconds".into(), self.duration_seconds).into(),
            Series::new("duration_minutes".into(), self.duration_minutes).into(),
            Series::new("credits_micros".into(), self.credits_micros).into(),
            Series::new("cost_micros".into(), self.cost_micros).into(),
            Series::new("lead_type".into(), self.lead_type).into(),
            Series::new("call_source".into(), self.call_source).into(),
            Series::new("quality".into(), self.quality).into(),
            Series::new("fingerprint_hi".into(), self.fingerprint_hi).into(),
            Series::new("fingerprint_lo".into(), self.fingerprint_lo).into(),
        ];
        for (name, values) in SCORES.iter().zip(self.scores) {
            columns.push(Series::new((*name).into(), values).into());
        }
        for (name, values) in FLAGS.iter().zip(self.flags) {
            columns.push(Series::new((*name).into(), values).into());
        }
        let frame = DataFrame::new_infer_height(columns)?;
        Ok(Calls { frame, agents: self.agents.ids, contacts: self.contacts.ids, identities: self.identities })
    }
}
