//! The calls as plain lists, for the loop that counts them.

use polars::prelude::DataFrame;
use uuid::Uuid;

use crate::calls::{Calls, FLAGS, SCORES};
use crate::error::HistoryError;
use crate::figures::{COUNTER_COUNT, COUNTERS};

/// Position of a counter in [`COUNTERS`]; a wrong name does not compile.
const fn at(name: &str) -> usize {
    let mut position = 0;
    while !same(COUNTERS[position].as_bytes(), name.as_bytes()) {
        position += 1;
    }
    position
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const TOTAL: usize = at("total_calls");
const OUTCOME: usize = at("successful_calls");
const LEAD_TYPE: usize = at("inbound_calls");
const SOURCE: usize = at("phone_calls");
const MINUTES: usize = at("total_duration_minutes");
const QUALITY: usize = at("hot_leads");
const SCORE_COUNT: usize = at("intent_score_count");
const WITH_CTA: usize = at("leads_with_cta");
const SECONDS: usize = at("talk_seconds");
const CREDITS: usize = at("credits_micros");
const COST: usize = at("cost_micros");
const SCORE_SUM: usize = at("intent_score_sum");
const FINGERPRINT_HI: usize = at("fingerprint_hi");
const FINGERPRINT_LO: usize = at("fingerprint_lo");
/// The counter of each flag, in the order of [`FLAGS`].
const OF_FLAG: [usize; FLAGS.len()] = [
    at("leads_generated"),
    at("leads_with_company"),
    at("high_intent_leads"),
    at("high_budget_leads"),
    at("urgent_leads"),
    at("cta_pricing_clicks"),
    at("cta_demo_clicks"),
    at("cta_followup_clicks"),
    at("cta_sample_clicks"),
    at("cta_human_escalations"),
];
/// Bits of the flags that are clicks: the last five.
const CLICKS: u16 = 0b11_1110_0000;
/// Stands for none in columns that have only positions from 0 on.
const NONE: i32 = -1;
/// Stands for no contact.
pub(super) const NO_CONTACT: u32 = u32::MAX;

/// One entry a call in each list.
pub(super) struct Columns {
    pub(super) started_at: Vec<i64>,
    /// Rank of the agent among `agents`.
    pub(super) agent: Vec<u32>,
    /// Rank of the contact among `contacts`, or [`NO_CONTACT`].
    pub(super) contact: Vec<u32>,
    pub(super) duration_seconds: Vec<i32>,
    duration_minutes: Vec<i32>,
    outcome: Vec<i32>,
    lead_type: Vec<i32>,
    call_source: Vec<i32>,
    quality: Vec<i32>,
    credits_micros: Vec<i64>,
    cost_micros: Vec<i64>,
    fingerprint_hi: Vec<i64>,
    fingerprint_lo: Vec<i64>,
    scores: Vec<[Option<i32>; SCORES.len()]>,
    flags: Vec<u16>,
    /// Ascending, as Postgres orders uuid.
    pub(super) agents: Vec<Uuid>,
    /// Ascending.
    pub(super) contacts: Vec<Uuid>,
}

impl Columns {
    pub(super) fn new(calls: &Calls) -> Result<Columns, HistoryError> {
        let frame = &calls.frame;
        let (agents, agent_ranks) = ranked(&calls.agents);
        let (contacts, contact_ranks) = ranked(&calls.contacts);
        let mut scores = vec![[None; SCORES.len()]; frame.height()];
        for (position, name) in SCORES.iter().enumerate() {
            for (row, score) in scores.iter_mut().zip(frame.column(name)?.i32()?.iter()) {
                row[position] = score;
            }
        }
        let mut flags = vec![0u16; frame.height()];
        for (position, name) in FLAGS.iter().enumerate() {
            for (row, flag) in flags.iter_mut().zip(frame.column(name)?.bool()?.iter()) {
                *row |= u16::from(flag == Some(true)) << position;
            }
        }
        let columns = Columns {
            started_at: wide(frame, "started_at")?,
            agent: replaced(frame, "agent", &agent_ranks)?,
            contact: replaced(frame, "contact", &contact_ranks)?,
            duration_seconds: narrow(frame, "duration_seconds")?,
            duration_minutes: narrow(frame, "duration_minutes")?,
            outcome: narrow(frame, "outcome")?,
            lead_type: narrow(frame, "lead_type")?,
            call_source: narrow(frame, "call_source")?,
            quality: narrow(frame, "quality")?,
            credits_micros: wide(frame, "credits_micros")?,
            cost_micros: wide(frame, "cost_micros")?,
            fingerprint_hi: wide(frame, "fingerprint_hi")?,
            fingerprint_lo: wide(frame, "fingerprint_lo")?,
            scores,
            flags,
            agents,
            contacts,
        };
        // An agent is never none; a frame that says so was not made here.
        if columns.agent.contains(&NO_CONTACT) {
            return Err(HistoryError::File("a call without its agent"));
        }
        Ok(columns)
    }

    pub(super) fn len(&self) -> usize {
        self.started_at.len()
    }

    /// Adds a call to the counters of its quarter.
    pub(super) fn count(&self, call: usize, counters: &mut [i64; COUNTER_COUNT]) {
        let mut add = |counter: usize, value: i64| {
            let sum = &mut counters[counter];
            *sum = sum.wrapping_add(value);
        };
        add(TOTAL, 1);
        for (first, position, how_many) in [
            (OUTCOME, self.outcome[call], 7),
            (LEAD_TYPE, self.lead_type[call], 2),
            (SOURCE, self.call_source[call], 3),
            (QUALITY, self.quality[call], 4),
        ] {
            if let Ok(position) = usize::try_from(position)
                && position < how_many
            {
                add(first + position, 1);
            }
        }
        add(MINUTES, self.duration_minutes[call].into());
        add(SECONDS, self.duration_seconds[call].into());
        add(CREDITS, self.credits_micros[call]);
        add(COST, self.cost_micros[call]);
        add(FINGERPRINT_HI, self.fingerprint_hi[call]);
        add(FINGERPRINT_LO, self.fingerprint_lo[call]);
        let flags = self.flags[call];
        if flags == 0 {
            return;
        }
        for (bit, counter) in OF_FLAG.into_iter().enumerate() {
            add(counter, i64::from(flags >> bit & 1));
        }
        add(WITH_CTA, i64::from(flags & CLICKS != 0));
        for (position, score) in self.scores[call].into_iter().enumerate() {
            if let Some(score) = score {
                add(SCORE_COUNT + position, 1);
                add(SCORE_SUM + position, score.into());
            }
        }
    }
}

/// Ids in ascending order, and the rank of each by its old position.
fn ranked(ids: &[Uuid]) -> (Vec<Uuid>, Vec<u32>) {
    let mut order: Vec<(Uuid, usize)> = ids.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let mut ranks = vec![NO_CONTACT; ids.len()];
    for (rank, (_, position)) in (0u32..).zip(&order) {
        ranks[*position] = rank;
    }
    (order.into_iter().map(|(id, _)| id).collect(), ranks)
}

fn wide(frame: &DataFrame, name: &str) -> Result<Vec<i64>, HistoryError> {
    Ok(frame.column(name)?.i64()?.iter().map(|value| value.unwrap_or(0)).collect())
}

fn narrow(frame: &DataFrame, name: &str) -> Result<Vec<i32>, HistoryError> {
    Ok(frame.column(name)?.i32()?.iter().map(|value| value.unwrap_or(NONE)).collect())
}

fn replaced(frame: &DataFrame, name: &str, ranks: &[u32]) -> Result<Vec<u32>, HistoryError> {
    let numbers = frame.column(name)?.u32()?.iter();
    let rank = |number: Option<u32>| match number {
        None => Ok(NO_CONTACT),
        Some(number) => usize::try_from(number)
            .ok()
            .and_then(|position| ranks.get(position).copied())
            .ok_or(HistoryError::File("an agent or contact without its id")),
    };
    numbers.map(rank).collect()
}
