//! The events of one call, each once, in the one order that all fields follow.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::event::{Event, Provider};
use crate::status::{Family, StatusClass};

/// A call event in its place among the others.
pub(crate) struct Placed<'a> {
    pub(crate) event: &'a Event,
    /// The dial that it belongs to; a Twilio event has that of its call sid.
    pub(crate) attempt: i32,
    pub(crate) class: StatusClass,
    /// The conversation that it vouches for.
    pub(crate) conversation_seconds: Option<Decimal>,
}

/// What orders events, compared from left to right; the last one wins. The hash
/// makes the order total, so that no two different events are ever equal.
type Place<'a> = (i32, StatusClass, bool, DateTime<Utc>, bool, u8, Option<i64>, &'a [u8; 32], Provider);

/// A set of events of one call.
pub(crate) struct Ordered<'a> {
    /// Events of the call, in order.
    pub(crate) calls: Vec<Placed<'a>>,
    /// The carrier's events of its other legs, in no order.
    pub(crate) legs: Vec<&'a Event>,
    /// Its analyses, in order.
    pub(crate) analyses: Vec<&'a Event>,
}

impl<'a> Ordered<'a> {
    /// Drops duplicates and puts the rest in order; the order given is ignored.
    pub(crate) fn new(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let (mut analyses, calls): (Vec<_>, Vec<_>) =
            distinct(events).into_iter().partition(|event| event.provider == Provider::Analysis);
        analyses.sort_by_key(|event| (event.order_time(), event.body_sha256));
        let of_legs = leg_sids(&calls);
        let (legs, calls): (Vec<_>, Vec<_>) = calls.into_iter().partition(|event| is_of_a_leg(event, &of_legs));
        let attempts = attempts_by_sid(&calls);
        let attempt_of = |event: &Event| match (event.provider, &event.call_sid) {
            (Provider::Twilio, Some(sid)) => attempts.get(sid.as_str()).copied().unwrap_or(0),
            (Provider::Twilio, None) => 0,
            _ => event.attempt,
        };
        let measured: BTreeSet<i32> =
            calls.iter().filter(|event| own_conversation(event).is_some()).map(|event| event.attempt).collect();
        let mut calls: Vec<Placed<'a>> =
            calls.into_iter().map(|event| Placed::new(event, attempt_of(event), &measured)).collect();
        calls.sort_by(|a, b| a.place().cmp(&b.place()));
        Self { calls, legs, analyses }
    }

    /// The value in the last event that has one.
    pub(crate) fn last<T>(&self, field: impl Fn(&'a Event) -> Option<T>) -> Option<T> {
        last(&self.calls, field)
    }
}

/// The value in the last of `calls` that has one.
pub(crate) fn last<'a, T>(calls: &[Placed<'a>], field: impl Fn(&'a Event) -> Option<T>) -> Option<T> {
    calls.iter().rev().find_map(|placed| field(placed.event))
}

impl<'a> Placed<'a> {
    fn new(event: &'a Event, attempt: i32, measured: &BTreeSet<i32>) -> Self {
        let class = event.class();
        let conversation_seconds = match event.provider {
            // The carrier counts the line, not the talk: it is believed only
            // where nobody has measured the talk of that dial.
            Provider::Twilio if class == StatusClass::Terminal && !measured.contains(&attempt) => {
                event.facts.telephony_seconds.map(Decimal::from)
            }
            Provider::Bolna => own_conversation(event),
            _ => None,
        };
        Self { event, attempt, class, conversation_seconds }
    }

    pub(crate) fn talked(&self) -> bool {
        self.conversation_seconds.is_some_and(|seconds| seconds > Decimal::ZERO)
    }

    fn place(&self) -> Place<'_> {
        (
            self.attempt,
            self.class,
            self.talked(),
            self.event.order_time(),
            Family::of(&self.event.status) == Some(Family::Completed),
            // Twilio's times are whole seconds, so live events often tie.
            live_rank(&self.event.status),
            self.event.facts.sequence_number,
            &self.event.body_sha256,
            self.event.provider,
        )
    }
}

/// A conversation that a Bolna event reports. Early events all say 0; only at the
/// end is that a measurement.
fn own_conversation(event: &Event) -> Option<Decimal> {
    if event.provider != Provider::Bolna {
        return None;
    }
    let is_over = event.class() >= StatusClass::SoftEnd;
    event.facts.conversation_seconds.filter(|seconds| is_over || *seconds > Decimal::ZERO)
}

pub(crate) fn live_rank(status: &str) -> u8 {
    match status {
        "initiated" => 1,
        "ringing" => 2,
        "in-progress" => 3,
        _ => 0,
    }
}

/// Each event once. Of two copies the one received first counts, whichever came
/// first here.
fn distinct<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<&'a Event> {
    let mut by_identity: BTreeMap<_, &'a Event> = BTreeMap::new();
    for event in events {
        let kept = by_identity.entry((event.provider, event.body_sha256)).or_insert(event);
        if event.received_at < kept.received_at {
            *kept = event;
        }
    }
    by_identity.into_values().collect()
}

/// Sids of legs: those with a parent, and those of transfers that are not also
/// named as a dial of the call itself.
fn leg_sids<'a>(events: &[&'a Event]) -> BTreeSet<&'a str> {
    let by_bolna = || events.iter().filter(|event| event.provider == Provider::Bolna);
    let dials: BTreeSet<&str> = by_bolna().filter_map(|event| event.call_sid.as_deref()).collect();
    let transfers = by_bolna().filter_map(|event| event.facts.transfer.as_ref()?.call_sid.as_deref());
    let children =
        events.iter().filter(|event| event.parent_call_sid.is_some()).filter_map(|event| event.call_sid.as_deref());
    transfers.chain(children).filter(|sid| !dials.contains(sid)).collect()
}

/// Whether the carrier speaks of a leg and not of a dial: the transfer, say, whose
/// callbacks name no parent when the platform has dialled it on its own.
fn is_of_a_leg(event: &Event, leg_sids: &BTreeSet<&str>) -> bool {
    let has_its_sid = || event.call_sid.as_deref().is_some_and(|sid| leg_sids.contains(sid));
    event.provider == Provider::Twilio && (event.parent_call_sid.is_some() || has_its_sid())
}

/// The dial of each call sid that Bolna has named; the smallest, since a record
/// that announces the next dial still holds the last one's sid.
fn attempts_by_sid<'a>(calls: &[&'a Event]) -> BTreeMap<&'a str, i32> {
    let mut attempts: BTreeMap<&str, i32> = BTreeMap::new();
    for event in calls.iter().filter(|event| event.provider == Provider::Bolna) {
        if let Some(sid) = &event.call_sid {
            let attempt = attempts.entry(sid).or_insert(event.attempt);
            *attempt = event.attempt.min(*attempt);
        }
    }
    attempts
}
