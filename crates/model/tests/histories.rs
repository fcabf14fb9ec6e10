//! Random histories, in any order and with any copies, give one call with one set of
//! dials and legs, and no part of it ever goes back to empty.
//!
//! A few thousand with every run. A million, with the time they take:
//! `cargo test --release -p tallyline-model --test histories -- --ignored --nocapture`
//!
//! Each of these breaks was tried by hand and seen to fail here: events in the order in
//! which they come, and a stable sort by time alone (another state); the attempt left out
//! of the order (the call's attempt); the last value instead of the last that is not empty
//! (a part is empty again); child legs among the call's own events (their absence changes
//! the call); legs keyed by who tells of them (a leg too many); copies kept apart (the
//! count of events).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../testkit/src/histories.rs"]
#[allow(dead_code, reason = "senders need more of it")]
mod histories;

use std::collections::BTreeSet;
use std::time::Instant;

use common::*;
use histories::{Dice, Party, history};
use tallyline_model::{CallState, Event, Provider, merge, parse_analysis, parse_bolna, parse_twilio};

fn party() -> Party {
    Party {
        agents: vec!["agent-1".to_owned(), "agent-2".to_owned()],
        number: "+12025550100".to_owned(),
        account_sid: "AC00000000000000000000000000000001".to_owned(),
    }
}

/// The events of a history, each received at some moment.
fn events(dice: &mut Dice, seed: u64, number: u64) -> Vec<Event> {
    let read = |delivery: &histories::Delivery, seconds| {
        let parse = match delivery.provider {
            "bolna" => parse_bolna,
            "twilio" => parse_twilio,
            _ => parse_analysis,
        };
        let body = delivery.body.as_bytes();
        parse(body, after(seconds), sha(body)).expect(&delivery.body)
    };
    let deliveries = history(seed, number, &party()).deliveries;
    deliveries.iter().map(|delivery| read(delivery, dice.below(500) as i64)).collect()
}

/// In any order, some of them several times, a copy received later than its first.
fn disturbed(dice: &mut Dice, events: &[Event]) -> Vec<Event> {
    let mut others = events.to_vec();
    for _ in 0..dice.below(1 + events.len()) {
        let mut copy = dice.pick(events).clone();
        copy.received_at += chrono::TimeDelta::seconds(dice.below(900) as i64);
        others.push(copy);
    }
    dice.shuffle(&mut others);
    others
}

fn check_any_order(dice: &mut Dice, events: &[Event], times: usize) {
    // Equal bodies are one event, the one received first.
    let state = merge(events).expect("a call");
    for _ in 0..times {
        let others = disturbed(dice, events);
        assert_eq!(merge(&others).as_ref(), Some(&state), "{others:#?}");
    }
    check_rules(events, &state);
    check_prefix(dice, events, &state);
}

fn is_of_a_leg(event: &Event, events: &[Event]) -> bool {
    let by_bolna = || events.iter().filter(|e| e.provider == Provider::Bolna);
    let is_dial = by_bolna().any(|e| e.call_sid == event.call_sid);
    let is_transfer = by_bolna().any(|e| e.facts.transfer.as_ref().is_some_and(|t| t.call_sid == event.call_sid));
    event.provider == Provider::Twilio && (event.parent_call_sid.is_some() || (is_transfer && !is_dial))
}

/// What must hold of any call, found without the fold.
fn check_rules(events: &[Event], state: &CallState) {
    let own: Vec<Event> = events.iter().filter(|event| !is_of_a_leg(event, events)).cloned().collect();
    let highest = own.iter().filter(|event| event.provider == Provider::Bolna).map(|event| event.attempt).max();
    assert_eq!(Some(state.attempt), highest);
    let distinct: BTreeSet<_> = own
        .iter()
        .filter(|event| event.provider != Provider::Analysis)
        .map(|event| (event.provider, event.body_sha256))
        .collect();
    assert_eq!(state.event_count, distinct.len());

    let sids = |of: fn(&Event) -> Option<String>| events.iter().filter_map(of);
    let transfers = sids(|event| event.facts.transfer.as_ref()?.call_sid.clone());
    let callbacks = events.iter().filter(|event| is_of_a_leg(event, events)).filter_map(|event| event.call_sid.clone());
    let legs: BTreeSet<String> = transfers.chain(callbacks).collect();
    let found = state.legs.iter().map(|leg| &leg.key).filter(|key| !key.starts_with("transfer:"));
    assert!(found.eq(&legs), "{:?} {legs:?}", state.legs);

    // Without its legs the call is the same call.
    let mut plain = own;
    plain.iter_mut().for_each(|event| event.facts.transfer = None);
    let plain = merge(&plain).expect("a call");
    let without = CallState { legs: Vec::new(), flags: Vec::new(), ..state.clone() };
    assert_eq!(CallState { flags: Vec::new(), ..plain }, without);
}

/// With fewer events no part is known that is empty with all of them.
fn check_prefix(dice: &mut Dice, events: &[Event], state: &CallState) {
    let mut some = events.to_vec();
    dice.shuffle(&mut some);
    some.truncate(dice.below(1 + events.len()));
    if let Some(early) = merge(&some) {
        let lost: Vec<&str> =
            parts(&early).into_iter().zip(parts(state)).filter(|(a, b)| a.1 && !b.1).map(|(a, _)| a.0).collect();
        assert!(lost.is_empty(), "lost {lost:?} of {events:#?}");
        assert!(early.attempt <= state.attempt && early.event_count <= state.event_count);
    }
}

/// The parts of a call that may be empty, and whether they are known.
fn parts(state: &CallState) -> [(&'static str, bool); 19] {
    let setup = &state.setup;
    [
        ("agent_ref", state.agent_ref.is_some()),
        ("customer_number", state.customer_number.is_some()),
        ("customer_name", state.customer_name.is_some()),
        ("customer_email", state.customer_email.is_some()),
        ("transcript", state.transcript.is_some()),
        ("summary", state.summary.is_some()),
        ("recording_url", state.recording_url.is_some()),
        ("hangup_by", state.hangup_by.is_some()),
        ("hangup_reason", state.hangup_reason.is_some()),
        ("hangup_provider_code", state.hangup_provider_code.is_some()),
        ("termination_reason", state.termination_reason.is_some()),
        ("billing_settled", state.billing_settled.is_some()),
        ("source", state.source != tallyline_model::CallSource::Unknown),
        ("batch_id", setup.batch_id.is_some()),
        ("campaign_id", setup.campaign_id.is_some()),
        ("scheduled_at", setup.scheduled_at.is_some()),
        ("llm_tokens", state.usage.llm_tokens.is_some()),
        ("synthesizer_provider", state.usage.synthesizer_provider.is_some()),
        ("analysis", state.analysis.is_some()),
    ]
}

fn run(seed: u64, histories: u64, times: usize) -> usize {
    let mut kinds = [0_usize; 6];
    for number in 0..histories {
        let mut dice = Dice::new(seed ^ 0xabcd, number);
        let events = events(&mut dice, seed, number);
        check_any_order(&mut dice, &events, times);
        for event in &events {
            kinds[0] += usize::from(event.attempt > 1);
            kinds[1] += usize::from(event.parent_call_sid.is_some());
            kinds[2] += usize::from(event.facts.transfer.is_some());
            kinds[3] += usize::from(!event.flags.is_empty());
            kinds[4] += usize::from(event.provider == Provider::Analysis);
            kinds[5] += usize::from(!event.facts.past_dials.is_empty());
        }
    }
    let few = usize::try_from(histories / 20).unwrap();
    assert!(kinds.iter().all(|count| *count > few), "kinds of events that hardly occur: {kinds:?}");
    usize::try_from(histories).unwrap() * times
}

#[test]
fn any_order_of_a_history_gives_the_same_call() {
    run(1, 600, 5);
}

/// Longer than a test may take.
#[test]
#[ignore = "takes minutes; see above"]
fn a_million_orders_of_histories_give_the_same_calls() {
    let begun = Instant::now();
    let permutations = run(7, 100_000, 10);
    println!("{permutations} permutations of 100000 histories in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(permutations, 1_000_000);
}
