//! The state is a function of the set of events: for random sets, every order
//! and any copies give the same state, and what wins is what the rules say.
//!
//! Each of these breaks was tried by hand and seen to fail here. In the order:
//! leaving out the attempt, the class, `talked` or the time, turning `talked` or
//! `completed` round, not clamping a clock that is ahead, a Twilio event's attempt
//! as it stands (0), the largest attempt of a call sid instead of the smallest,
//! and measuring talk per call instead of per dial (all `the_winner_is_the_greatest`).
//! In the set: a stable sort by time alone (`any_order_gives_the_same_state`),
//! keeping copies apart, and keeping the copy that came first instead of the one
//! received first (both `copies_change_nothing`). Dropping the body hash from the
//! order is no such break: copies are dropped by way of a map in order of hash,
//! which then settles the ties.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use common::*;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;
use tallyline_model::{Event, Outcome, Provider, StatusClass, merge};

const STATUSES: [&str; 14] = [
    "scheduled",
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "call-disconnected",
    "completed",
    "completed",
    "no-answer",
    "busy",
    "failed",
    "canceled",
    "balance-low",
    "dialing",
];

const CALLBACKS: [&str; 6] = ["initiated", "ringing", "in-progress", "completed", "no-answer", "busy"];

/// The sid of an attempt's dial; `None` before the carrier has given one.
fn sid(attempt: i64) -> String {
    format!("CA{attempt:032x}")
}

/// Times are few, so that many events tie.
fn moments() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..6_i64, 1 => Just(400), 1 => Just(-100_000)]
}

fn a_record() -> impl Strategy<Value = Event> {
    let talk = prop_oneof![Just(json!(null)), Just(json!(0)), Just(json!(0.4)), Just(json!(27.2))];
    let text = prop_oneof![Just(json!(null)), Just(json!("")), Just(json!("a")), Just(json!("b"))];
    let names_sid = prop_oneof![3 => Just(0), 1 => Just(-1), 1 => Just(9)];
    ((select(&STATUSES[..]), 0..3_i64, moments(), moments(), names_sid), (talk, text, 0..4_i64, any::<Option<bool>>()))
        .prop_map(|((status, attempt, updated, received, shift), (talk, text, cost, flag))| {
            let call_sid = if shift == 9 { json!("") } else { json!(sid((attempt + shift).max(0))) };
            let body = json!({
                "id": EXECUTION, "status": status, "retry_count": attempt,
                "updated_at": after(updated).to_rfc3339(), "created_at": after(updated - 9).to_rfc3339(),
                "conversation_duration": talk, "transcript": text, "total_cost": cost,
                "answered_by_voice_mail": flag, "cost_breakdown": {"llm": cost},
                "telephony_data": {"provider_call_id": call_sid},
            });
            bolna_at(&body.to_string(), after(received))
        })
}

fn a_callback() -> impl Strategy<Value = Event> {
    (select(&CALLBACKS[..]), 0..4_i64, moments(), 0..3_i64, any::<bool>()).prop_map(
        |(status, dial, at, seconds, numbered)| {
            let number = if numbered { format!("&SequenceNumber={at}") } else { String::new() };
            let sid = sid(dial);
            let more = format!("&CallSid={sid}&CallDuration={seconds}{number}");
            let form = form_at(status, at, &more);
            tallyline_model::parse_twilio(form.as_bytes(), after(at.abs()), sha(form.as_bytes())).expect("a callback")
        },
    )
}

fn form_at(status: &str, at: i64, more: &str) -> String {
    let stamp = after(at).format("%a, %d %b %Y %H:%M:%S %%2B0000");
    format!("CallStatus={status}&Timestamp={stamp}{more}")
}

fn an_analysis() -> impl Strategy<Value = Event> {
    (moments(), 0..4_i64).prop_map(|(at, score)| {
        let body = json!({
            "execution_id": EXECUTION, "analysis_type": "individual",
            "analyzed_at": after(at).to_rfc3339(), "analysis": {"intent_score": score},
        });
        analysis(&body.to_string())
    })
}

/// Events of one call: retries, carrier's twins, attempts that were re-cut.
fn a_set() -> impl Strategy<Value = Vec<Event>> {
    let any_event = prop_oneof![6 => a_record(), 3 => a_callback(), 1 => an_analysis()];
    prop::collection::vec(any_event, 1..12)
}

fn shuffled() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    a_set().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

fn with_copies() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    a_set().prop_flat_map(|events| {
        let count = events.len();
        let copies = subsequence(events.clone(), 0..=count);
        let more = copies.prop_map({
            let events = events.clone();
            move |mut copies| {
                // A copy that is received later is still a copy.
                copies.iter_mut().for_each(|copy| copy.received_at += TimeDelta::hours(1));
                [events.clone(), copies.clone(), copies].concat()
            }
        });
        (Just(events), more.prop_shuffle())
    })
}

/// The attempt that an event is of, found without the order.
fn attempt_of(event: &Event, set: &[Event]) -> i32 {
    if event.provider == Provider::Bolna {
        return event.attempt;
    }
    let same_sid = set.iter().filter(|other| other.provider == Provider::Bolna && other.call_sid == event.call_sid);
    same_sid.map(|other| other.attempt).min().unwrap_or(0)
}

fn is_measured(event: &Event) -> bool {
    let seconds = event.facts.conversation_seconds;
    let is_over = event.class() >= StatusClass::SoftEnd;
    event.provider == Provider::Bolna && seconds.is_some_and(|s| is_over || !s.is_zero())
}

fn talked(event: &Event, set: &[Event]) -> bool {
    match event.provider {
        Provider::Bolna => event.facts.conversation_seconds.is_some_and(|s| !s.is_zero()),
        _ => {
            let attempt = attempt_of(event, set);
            let measured = set.iter().any(|e| is_measured(e) && e.attempt == attempt);
            let line = event.facts.telephony_seconds.unwrap_or(0);
            event.class() == StatusClass::Terminal && line > 0 && !measured
        }
    }
}

fn time_of(event: &Event) -> DateTime<Utc> {
    let limit = event.received_at + TimeDelta::minutes(5);
    event.updated_at.map_or(event.received_at, |at| if at > limit { limit } else { at })
}

/// The rules as the architecture words them, one after the other, up to the
/// point where only rank, number and hash are left to tell two events apart.
fn compare(a: &Event, b: &Event, set: &[Event]) -> Ordering {
    let by_attempt = attempt_of(a, set).cmp(&attempt_of(b, set));
    let by_class = (a.class() as u8).cmp(&(b.class() as u8));
    let by_talk = talked(a, set).cmp(&talked(b, set));
    let by_time = time_of(a).cmp(&time_of(b));
    let by_completed = (a.status == "completed").cmp(&(b.status == "completed"));
    by_attempt.then(by_class).then(by_talk).then(by_time).then(by_completed)
}

/// The call's own events, each once, as first received.
fn of_the_call(events: &[Event]) -> Vec<Event> {
    let mut calls: Vec<Event> = Vec::new();
    let mut sorted: Vec<&Event> = events.iter().filter(|event| event.provider != Provider::Analysis).collect();
    sorted.sort_by_key(|event| event.received_at);
    for event in sorted {
        let is_copy = |kept: &Event| kept.body_sha256 == event.body_sha256 && kept.provider == event.provider;
        if !calls.iter().any(is_copy) {
            calls.push(event.clone());
        }
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn any_order_gives_the_same_state((events, others) in shuffled()) {
        prop_assert_eq!(merge(&events), merge(&others));
        let backwards = merge(events.iter().rev());
        prop_assert_eq!(merge(&events), backwards);
    }

    #[test]
    fn copies_change_nothing((events, more) in with_copies()) {
        prop_assert_eq!(merge(&events), merge(&more));
    }

    #[test]
    fn small_sets_in_every_order(events in prop::collection::vec(a_record(), 1..5)) {
        // `state` folds every order.
        state(&events);
    }

    #[test]
    fn the_winner_is_the_greatest(events in a_set()) {
        let calls = of_the_call(&events);
        let Some(state) = merge(&events) else {
            prop_assert!(calls.is_empty());
            return Ok(());
        };
        let greatest = |event: &&Event| {
            calls.iter().all(|other| compare(event, other, &calls) != Ordering::Less)
        };
        let winners: Vec<&Event> = calls.iter().filter(greatest).collect();
        prop_assert!(winners.iter().any(|event| event.status == state.lifecycle));
        let first = winners[0];
        prop_assert_eq!(state.attempt, attempt_of(first, &calls));
        prop_assert_eq!(state.is_terminal, first.class() == StatusClass::Terminal);
        prop_assert_eq!(state.completed_at, state.is_terminal.then(|| time_of(first)));
        prop_assert_eq!(state.event_count, calls.len());
        prop_assert_eq!(state.is_terminal, state.outcome != Outcome::InProgress);
        if state.outcome == Outcome::Answered {
            prop_assert!(state.talked && state.lifecycle == "completed");
        }
    }

    #[test]
    fn a_stored_event_is_the_same_event(events in a_set()) {
        for event in &events {
            assert_stored(event);
        }
    }

    #[test]
    fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), at in 0..9_usize) {
        let mut cut = COMPLETED.as_bytes().to_vec();
        let place = (at * cut.len()) / 9;
        cut.splice(place..(place + body.len() / 8).min(cut.len()), body.iter().copied());
        for body in [&body, &cut] {
            for provider in Provider::ALL {
                let usable = tallyline_model::usable_id(*provider, body);
                let parse = match provider {
                    Provider::Bolna => tallyline_model::parse_bolna,
                    Provider::Twilio => tallyline_model::parse_twilio,
                    Provider::Analysis => tallyline_model::parse_analysis,
                };
                let parsed = parse(body, noon(), sha(body));
                prop_assert!(usable.is_ok() || parsed.is_err());
            }
        }
    }

    #[test]
    fn texts_never_make_a_reader_panic(text in "\\PC{0,40}", digits in "[-+0-9.eE:TZ ]{0,40}") {
        for text in [&text, &digits] {
            let _ = tallyline_model::parse_instant(text);
            let micros = tallyline_model::cents_text_to_micros(text);
            prop_assert!(micros.is_none_or(|micros| (0..=1_000_000_000_000).contains(&micros)));
            if let Some(number) = tallyline_model::normalise_e164(text, Some("91")) {
                let again = tallyline_model::normalise_e164(&number, None);
                prop_assert_eq!(again, Some(number));
            }
        }
    }

    #[test]
    fn cents_are_exact(whole in 0..1_000_000_i64, fraction in 0..1_000_000_i64) {
        let text = format!("{whole}.{fraction:06}");
        let hundredths = whole * 1_000_000 + fraction;
        let want = hundredths / 100 + i64::from(hundredths % 100 >= 50);
        prop_assert_eq!(tallyline_model::cents_text_to_micros(&text), Some(want));
    }
}

/// Retries with twins, high attempts, clocks ahead and ties all do occur.
#[test]
fn the_generators_reach_what_they_are_for() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = [0; 4];
    for _ in 0..300 {
        let events = a_set().new_tree(&mut runner).unwrap().current();
        let calls = of_the_call(&events);
        let twin = |e: &Event| e.provider == Provider::Twilio && attempt_of(e, &calls) > 0;
        seen[0] += usize::from(calls.iter().any(twin));
        seen[1] += usize::from(calls.iter().any(|e| e.attempt == 2));
        seen[2] += usize::from(calls.iter().any(|e| e.updated_at.unwrap() > time_of(e)));
        let ties = |a: &Event| calls.iter().any(|b| a != b && compare(a, b, &calls).is_eq());
        seen[3] += usize::from(calls.iter().any(ties));
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}
