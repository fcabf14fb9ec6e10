//! The dials of a call: from their events, and from what later records tell.

use std::collections::BTreeMap;

use super::{AttemptState, conversation_of, outcome_of, plausible, whole_seconds};
use crate::ordered::{Ordered, Placed, last};
use crate::setup::PastDial;
use crate::status::{Outcome, StatusClass};
use crate::voicemail::note_names_a_machine;

/// Every dial, in order. Events of a dial win over what a later record says of it.
pub(super) fn attempts(events: &Ordered<'_>, dials: &[&[Placed<'_>]], sids: &BTreeMap<&str, i32>) -> Vec<AttemptState> {
    let mut states: BTreeMap<i32, AttemptState> = BTreeMap::new();
    for dial in dials.iter().filter_map(|dial| from_events(dial, sids)) {
        states.insert(dial.attempt, dial);
    }
    // From the last record back, so that the last one to speak of a dial counts.
    let told = events.calls.iter().rev().flat_map(|placed| &placed.event.facts.past_dials);
    for dial in told {
        states.entry(dial.attempt).or_insert_with(|| from_history(dial));
    }
    states.into_values().collect()
}

fn from_events(dial: &[Placed<'_>], sids: &BTreeMap<&str, i32>) -> Option<AttemptState> {
    let winner = dial.last()?;
    let conversation = conversation_of(dial);
    let initiated = dial.iter().filter_map(|placed| plausible(placed.event, placed.event.initiated_at)).min();
    let is_over = winner.class == StatusClass::Terminal;
    Some(AttemptState {
        attempt: winner.attempt,
        lifecycle: winner.event.status.clone(),
        outcome: outcome_of(dial, conversation)?,
        // A record that announces this dial may still name the last one's sid.
        call_sid: last(dial, |event| {
            event.call_sid.clone().filter(|sid| sids.get(sid.as_str()) == Some(&winner.attempt))
        }),
        started_at: initiated.or_else(|| dial.iter().map(|placed| placed.event.order_time()).min()),
        ended_at: is_over.then(|| winner.event.order_time()),
        duration_seconds: whole_seconds(conversation),
    })
}

/// Nothing is known of its talk, so a dial that was repeated is not an answered one.
fn from_history(dial: &PastDial) -> AttemptState {
    let is_machine = note_names_a_machine(&dial.status);
    let is_over = is_machine || StatusClass::of(&dial.status) == StatusClass::Terminal;
    let by_status = Outcome::decide(&dial.status, false, false);
    AttemptState {
        attempt: dial.attempt,
        lifecycle: dial.status.clone(),
        outcome: if is_machine { Outcome::Voicemail } else { by_status },
        call_sid: None,
        started_at: None,
        ended_at: dial.at.filter(|_| is_over),
        duration_seconds: 0,
    }
}
