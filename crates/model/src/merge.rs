//! The state of a call from the set of its events.
//!
//! [`merge`] looks at a set: neither the order in which events came nor how often
//! each came can change the result. Events are ordered by attempt, class of
//! status, whether anybody talked, time, `completed` before others, and at last
//! by hash; the last one decides what became of the call, and each field is the
//! last one that is not empty. So a late or repeated event never takes anything
//! away, and only a higher attempt re-opens a call that was over.

mod dials;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use crate::bolna::SUMMED_LEGS;
use crate::event::{CallSource, Direction, Event, Facts, LeadAnalysis, Provider};
use crate::leg::{LegState, legs};
use crate::money::billed_minutes;
use crate::ordered::{Ordered, Placed, last};
use crate::setup::{Setup, Usage};
use crate::status::{Family, Outcome, StatusClass};
use crate::time::earliest_plausible;
use crate::voicemail::{note_names_a_machine, transcript_is_a_machine};

/// How far the legs' sum may lie from the total, in micro-units: 0.01 cent, as
/// providers round the total.
const COST_TOLERANCE_MICROS: i64 = 100;

/// A call as far as its events tell.
#[derive(Debug, Clone, PartialEq)]
pub struct CallState {
    /// The execution that the call is; `None` while only the carrier has spoken.
    pub execution_id: Option<String>,
    /// The provider's id of the agent.
    pub agent_ref: Option<String>,
    /// The carrier's ids with the first attempt that each was named for, sorted.
    pub call_sids: Vec<(String, i32)>,
    /// The winning event's status, verbatim.
    pub lifecycle: String,
    /// What became of the call.
    pub outcome: Outcome,
    /// Whether the winning event ends the call.
    pub is_terminal: bool,
    /// The winning event's attempt.
    pub attempt: i32,
    /// The time of every bucket: earliest plausible `initiated_at`, else
    /// `created_at`, else time of receipt.
    pub started_at: DateTime<Utc>,
    /// When the first event was received.
    pub first_received_at: DateTime<Utc>,
    /// The latest event's time, by the sender's clock.
    pub last_event_at: DateTime<Utc>,
    /// First `ringing` of the winning attempt, by the sender's clock.
    pub ringing_started_at: Option<DateTime<Utc>>,
    /// First `in-progress` of the winning attempt, by the sender's clock.
    pub call_answered_at: Option<DateTime<Utc>>,
    /// First `call-disconnected` of the winning attempt, by the sender's clock.
    pub call_disconnected_at: Option<DateTime<Utc>>,
    /// Time of the winning event, if it ends the call.
    pub completed_at: Option<DateTime<Utc>>,
    /// Seconds of conversation, exact; `None` if nobody has measured it.
    pub conversation_seconds: Option<Decimal>,
    /// The same in whole seconds, rounded down.
    pub duration_seconds: i64,
    /// Started minutes.
    pub duration_minutes: i64,
    /// Whether there was any conversation, however short.
    pub talked: bool,
    /// The provider's price in micro-units of the account's currency.
    pub cost_micros: i64,
    /// Its parts in micro-units.
    pub cost_legs: BTreeMap<String, i64>,
    /// Whether the price is final.
    pub billing_settled: Option<bool>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// By what way.
    pub source: CallSource,
    /// The customer's number, as given.
    pub customer_number: Option<String>,
    /// The agent's number, as given.
    pub agent_number: Option<String>,
    /// Every number that was given for the customer, the one that counts first.
    pub customer_numbers: Vec<String>,
    /// The customer's name, as given.
    pub customer_name: Option<String>,
    /// The customer's e-mail address, as given.
    pub customer_email: Option<String>,
    /// The conversation as text.
    pub transcript: Option<String>,
    /// The provider's summary.
    pub summary: Option<String>,
    /// Where the recording is said to lie.
    pub recording_url: Option<String>,
    /// Who hung up.
    pub hangup_by: Option<String>,
    /// Why.
    pub hangup_reason: Option<String>,
    /// The carrier's code for it.
    pub hangup_provider_code: Option<i64>,
    /// Why the call ended, in one vocabulary for all carriers.
    pub termination_reason: Option<String>,
    /// What went wrong.
    pub error_message: Option<String>,
    /// The provider's undocumented hint.
    pub smart_status: Option<String>,
    /// Whether a machine took the call, as said; [`CallState::outcome`] weighs
    /// other evidence too.
    pub answered_by_voice_mail: Option<bool>,
    /// The tenant's own fields.
    pub extracted_data: Option<Value>,
    /// What the agent extracted, as given.
    pub agent_extraction: Option<Value>,
    /// What the tenant's extractions found, as given.
    pub custom_extractions: Option<Value>,
    /// The latest analysis.
    pub analysis: Option<LeadAnalysis>,
    /// Its time, by the analyser's clock.
    pub analysis_at: Option<DateTime<Utc>>,
    /// Who has spoken of the call.
    pub providers: Providers,
    /// Distinct events of the call; analyses and what the carrier says of other
    /// legs are not counted.
    pub event_count: usize,
    /// The dials that events or later records tell of, in order.
    pub attempts: Vec<AttemptState>,
    /// Its other legs, by key; nothing of theirs is in any figure of the call.
    pub legs: Vec<LegState>,
    /// How it was to be made.
    pub setup: Setup,
    /// What it was made with.
    pub usage: Usage,
    /// What was wrong, sorted: the events' flags, and `conflicting_terminals`,
    /// `cost_mismatch`, `implausible:initiated_at`, `implausible:created_at`.
    pub flags: Vec<String>,
}

/// Who has spoken of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Providers {
    /// The voice agent's platform.
    pub bolna: bool,
    /// The carrier.
    pub twilio: bool,
}

/// One dial of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptState {
    /// From 0.
    pub attempt: i32,
    /// Status of the dial's winning event, verbatim.
    pub lifecycle: String,
    /// What became of the dial.
    pub outcome: Outcome,
    /// The carrier's id of it.
    pub call_sid: Option<String>,
    /// Earliest plausible `initiated_at` of its events, else their earliest time;
    /// `None` where only a later record tells of the dial.
    pub started_at: Option<DateTime<Utc>>,
    /// Time of the winning event, or as the later record notes it, if the dial
    /// is over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whole seconds of conversation, rounded down.
    pub duration_seconds: i64,
}

/// Folds a set of events of one call. Copies of an event (same provider and hash)
/// count once. `None` if there is no event of the call itself, only analyses.
pub fn merge<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<CallState> {
    let events = Ordered::new(events);
    let winner = events.calls.last()?;
    let dials = dials_of(&events);
    let dial = *dials.last()?;
    let conversation = conversation_of(&events.calls);
    let duration_seconds = whole_seconds(conversation);
    let is_terminal = winner.class == StatusClass::Terminal;
    let analysis = events.analyses.last();
    let sids = call_sids(&events.calls);
    let text = |field: fn(&Facts) -> &Option<String>| events.last(|e| field(&e.facts).clone());
    Some(CallState {
        execution_id: execution_id(&events),
        agent_ref: events.last(|e| e.agent_ref.clone()),
        call_sids: owned(&sids),
        lifecycle: winner.event.status.clone(),
        outcome: outcome_of(dial, conversation)?,
        is_terminal,
        attempt: winner.attempt,
        started_at: started_at(&events)?,
        first_received_at: events.calls.iter().map(|p| p.event.received_at).min()?,
        last_event_at: events.calls.iter().map(|p| p.event.order_time()).max()?,
        ringing_started_at: first_time(dial, "ringing"),
        call_answered_at: first_time(dial, "in-progress"),
        call_disconnected_at: first_time(dial, "call-disconnected"),
        completed_at: is_terminal.then(|| winner.event.order_time()),
        conversation_seconds: conversation,
        duration_seconds,
        duration_minutes: billed_minutes(duration_seconds),
        talked: is_talk(conversation),
        cost_micros: cost_micros(&events),
        cost_legs: cost_legs(&events),
        billing_settled: events.last(|e| e.facts.billing_settled),
        direction: events.last(|e| e.facts.direction),
        source: source_of(&events),
        customer_number: text(|f| &f.customer_number),
        agent_number: text(|f| &f.agent_number),
        customer_numbers: customer_numbers(&events),
        customer_name: text(|f| &f.customer_name),
        customer_email: text(|f| &f.customer_email),
        transcript: text(|f| &f.transcript),
        summary: text(|f| &f.summary),
        recording_url: text(|f| &f.recording_url),
        hangup_by: text(|f| &f.hangup_by),
        hangup_reason: text(|f| &f.hangup_reason),
        hangup_provider_code: events.last(|e| e.facts.hangup_provider_code),
        termination_reason: text(|f| &f.termination_reason),
        error_message: text(|f| &f.error_message),
        smart_status: text(|f| &f.smart_status),
        answered_by_voice_mail: machine_flag(&events.calls),
        extracted_data: events.last(|e| e.facts.extracted_data.clone()),
        agent_extraction: events.last(|e| e.facts.agent_extraction.clone()),
        custom_extractions: events.last(|e| e.facts.custom_extractions.clone()),
        analysis: analysis.and_then(|e| e.facts.analysis.clone()),
        analysis_at: analysis.map(|e| e.order_time()),
        providers: providers(&events),
        event_count: events.calls.len(),
        attempts: dials::attempts(&events, &dials, &sids),
        legs: legs(&events),
        setup: Setup::of(&events),
        usage: Usage::of(&events),
        flags: flags(&events, &dials),
    })
}

/// The analysis that counts among these events of a call: the latest.
pub fn latest_analysis<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<LeadAnalysis> {
    Ordered::new(events).analyses.last()?.facts.analysis.clone()
}

/// Whether the call is charged for: it is over and somebody, or a machine, talked
/// for a second at least.
pub fn bills(state: &CallState) -> bool {
    state.is_terminal && state.duration_seconds > 0
}

/// The events of each dial, in order.
fn dials_of<'e, 'a>(events: &'e Ordered<'a>) -> Vec<&'e [Placed<'a>]> {
    let same_dial = |a: &Placed<'_>, b: &Placed<'_>| a.attempt == b.attempt;
    events.calls.chunk_by(same_dial).collect()
}

fn outcome_of(dial: &[Placed<'_>], conversation: Option<Decimal>) -> Option<Outcome> {
    let status = &dial.last()?.event.status;
    Some(Outcome::decide(status, is_voicemail(dial), is_talk(conversation)))
}

/// The events' own flags, and what only shows when they are put together.
fn flags(events: &Ordered<'_>, dials: &[&[Placed<'_>]]) -> Vec<String> {
    let calls = events.calls.iter().map(|placed| placed.event);
    let all = calls.chain(events.legs.iter().copied()).chain(events.analyses.iter().copied());
    let mut flags: BTreeSet<String> = all.flat_map(|event| event.flags.iter().cloned()).collect();
    let found = [
        ("conflicting_terminals", dials.iter().any(|dial| has_conflict(dial))),
        ("cost_mismatch", cost_disagrees(events)),
        ("implausible:initiated_at", has_implausible(events, |event| event.initiated_at)),
        ("implausible:created_at", has_implausible(events, |event| event.created_at)),
    ];
    flags.extend(found.iter().filter(|(_, is_so)| *is_so).map(|(flag, _)| (*flag).to_owned()));
    flags.into_iter().collect()
}

fn execution_id(events: &Ordered<'_>) -> Option<String> {
    let analysed = || events.analyses.last().and_then(|event| event.execution_id.clone());
    events.last(|event| event.execution_id.clone()).or_else(analysed)
}

fn providers(events: &Ordered<'_>) -> Providers {
    let spoke = |provider| events.calls.iter().any(|placed| placed.event.provider == provider);
    Providers { bolna: spoke(Provider::Bolna), twilio: spoke(Provider::Twilio) }
}

/// Every call sid with the smallest attempt that it was named for.
fn call_sids<'a>(calls: &[Placed<'a>]) -> BTreeMap<&'a str, i32> {
    let mut sids = BTreeMap::new();
    // In order of attempt, so that the first one is the smallest.
    for placed in calls {
        if let Some(sid) = &placed.event.call_sid {
            sids.entry(sid.as_str()).or_insert(placed.attempt);
        }
    }
    sids
}

fn owned(sids: &BTreeMap<&str, i32>) -> Vec<(String, i32)> {
    let owned = sids.iter().map(|(sid, attempt)| ((*sid).to_owned(), *attempt));
    owned.collect()
}

/// Each number once, from the last event's back.
fn customer_numbers(events: &Ordered<'_>) -> Vec<String> {
    let mut numbers: Vec<String> = Vec::new();
    for number in events.calls.iter().rev().filter_map(|placed| placed.event.facts.customer_number.as_ref()) {
        if !numbers.contains(number) {
            numbers.push(number.clone());
        }
    }
    numbers
}

fn source_of(events: &Ordered<'_>) -> CallSource {
    let source = events.last(|event| event.facts.source);
    source.unwrap_or(CallSource::Unknown)
}

fn first_time(dial: &[Placed<'_>], status: &str) -> Option<DateTime<Utc>> {
    dial.iter().filter(|placed| placed.event.status == status).map(|placed| placed.event.order_time()).min()
}

/// A time of the call that its event can have known: from 2015 to a day after
/// the event was received.
fn plausible(event: &Event, instant: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let latest = event.received_at.checked_add_signed(TimeDelta::days(1))?;
    instant.filter(|instant| (earliest_plausible()..=latest).contains(instant))
}

fn has_implausible(events: &Ordered<'_>, field: fn(&Event) -> Option<DateTime<Utc>>) -> bool {
    let mut given = events.calls.iter().map(|placed| placed.event);
    given.any(|event| field(event).is_some() && plausible(event, field(event)).is_none())
}

fn started_at(events: &Ordered<'_>) -> Option<DateTime<Utc>> {
    let given = || events.calls.iter().map(|placed| placed.event);
    let initiated = given().filter_map(|event| plausible(event, event.initiated_at)).min();
    let created = given().filter_map(|event| plausible(event, event.created_at)).min();
    let received = given().map(|event| event.received_at).min();
    initiated.or(created).or(received)
}

fn conversation_of(calls: &[Placed<'_>]) -> Option<Decimal> {
    calls.iter().rev().find_map(|placed| placed.conversation_seconds)
}

fn is_talk(conversation: Option<Decimal>) -> bool {
    conversation.is_some_and(|seconds| seconds > Decimal::ZERO)
}

fn whole_seconds(conversation: Option<Decimal>) -> i64 {
    conversation.and_then(|seconds| seconds.floor().to_i64()).unwrap_or(0)
}

/// What is said of a machine; the agent's platform, which listens, is believed
/// before the carrier, which guesses.
fn machine_flag(calls: &[Placed<'_>]) -> Option<bool> {
    let by = |provider: Provider| {
        last(calls, |event| event.facts.answered_by_voice_mail.filter(|_| event.provider == provider))
    };
    by(Provider::Bolna).or_else(|| by(Provider::Twilio))
}

/// Whether a machine took this dial. Evidence of other dials does not count: the
/// last one may have reached a voicemail, this one a person.
fn is_voicemail(dial: &[Placed<'_>]) -> bool {
    let notes: [fn(&Event) -> Option<&str>; 4] = [
        |event| event.facts.smart_status.as_deref(),
        |event| event.facts.hangup_reason.as_deref(),
        |event| event.facts.error_message.as_deref(),
        |event| event.facts.summary.as_deref(),
    ];
    machine_flag(dial) == Some(true)
        || notes.into_iter().any(|note| last(dial, note).is_some_and(note_names_a_machine))
        || last(dial, |event| event.facts.transcript.as_deref()).is_some_and(transcript_is_a_machine)
}

/// Two ends of one dial that mean different things.
fn has_conflict(dial: &[Placed<'_>]) -> bool {
    let ends: BTreeSet<Family> = dial.iter().filter_map(|placed| Family::of(&placed.event.status)).collect();
    ends.len() > 1
}

/// The event whose price counts. Early events all say 0, so before the end only
/// another price is one.
fn pricing_event<'e, 'a>(events: &'e Ordered<'a>) -> Option<&'e Placed<'a>> {
    events.calls.iter().rev().find(|placed| {
        let is_over = placed.class >= StatusClass::SoftEnd;
        placed.event.facts.total_cost_micros.is_some_and(|micros| is_over || micros != 0)
    })
}

fn cost_micros(events: &Ordered<'_>) -> i64 {
    pricing_event(events).and_then(|placed| placed.event.facts.total_cost_micros).unwrap_or(0)
}

fn cost_legs(events: &Ordered<'_>) -> BTreeMap<String, i64> {
    let priced = events.calls.iter().rev().find(|placed| {
        let legs = &placed.event.facts.cost_legs;
        let is_over = placed.class >= StatusClass::SoftEnd;
        !legs.is_empty() && (is_over || legs.values().any(|micros| *micros != 0))
    });
    priced.map(|placed| placed.event.facts.cost_legs.clone()).unwrap_or_default()
}

/// Whether the event whose price counts gives legs that sum to something else.
fn cost_disagrees(events: &Ordered<'_>) -> bool {
    let Some(facts) = pricing_event(events).map(|placed| &placed.event.facts) else {
        return false;
    };
    let legs: Vec<i64> = SUMMED_LEGS.iter().filter_map(|leg| facts.cost_legs.get(*leg).copied()).collect();
    let difference = legs.iter().sum::<i64>() - facts.total_cost_micros.unwrap_or(0);
    !legs.is_empty() && difference.abs() > COST_TOLERANCE_MICROS
}
