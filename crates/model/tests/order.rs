//! What wins when events disagree. Every set here is folded in every order.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::json;
use tallyline_model::{Outcome, bills, merge};

const TALK: &str = "assistant: Hello\nuser:  hi\n";

#[test]
fn late_early_events_fill_in_the_first_times() {
    let state = state(&[
        record("completed", 60, json!({"conversation_duration": 30})),
        record("ringing", 2, json!({})),
        record("ringing", 4, json!({"x": 1})),
        record("in-progress", 5, json!({})),
        record("call-disconnected", 40, json!({"conversation_duration": 30, "transcript": TALK})),
    ]);
    assert_eq!(state.lifecycle, "completed");
    assert_eq!(state.ringing_started_at, Some(after(2)));
    assert_eq!(state.call_answered_at, Some(after(5)));
    assert_eq!(state.call_disconnected_at, Some(after(40)));
    assert_eq!(state.completed_at, Some(after(60)));
    assert_eq!(state.last_event_at, after(60));
    assert_eq!(state.first_received_at, after(3));
    assert_eq!(state.transcript.as_deref(), Some(TALK));
}

#[test]
fn all_120_orders_of_a_life_cycle() {
    let talk = |status: &str, at| record(status, at, json!({"conversation_duration": 27.2}));
    let life = [
        record("initiated", 0, json!({})),
        record("ringing", 2, json!({})),
        record("in-progress", 5, json!({})),
        talk("call-disconnected", 40),
        talk("completed", 60),
    ];
    // `state` folds every order and counts that there were 120.
    let whole = state(&life);
    assert_eq!((whole.outcome, whole.duration_seconds), (Outcome::Answered, 27));
    let twice: Vec<_> = life.iter().chain(&life).collect();
    assert_eq!(merge(twice), Some(whole));
}

#[test]
fn a_late_event_never_erases() {
    let state = state(&[
        record(
            "completed",
            60,
            json!({
                "conversation_duration": 30, "transcript": TALK, "telephony_data": {"recording_url": "https://r"},
            }),
        ),
        record(
            "completed",
            90,
            json!({
                "conversation_duration": 30, "transcript": "", "telephony_data": {"recording_url": ""},
                "summary": "s",
            }),
        ),
    ]);
    assert_eq!(state.transcript.as_deref(), Some(TALK));
    assert_eq!(state.recording_url.as_deref(), Some("https://r"));
    assert_eq!(state.summary.as_deref(), Some("s"));
}

#[test]
fn the_same_words_in_another_form_are_one_call() {
    let body = COMPLETED.trim_end();
    let spaced = format!("{body} \n");
    let state = state(&[bolna(body), bolna(&spaced), bolna(body)]);
    assert_eq!((state.event_count, state.duration_seconds, state.cost_micros), (2, 27, 35_400));
}

#[test]
fn a_copy_counts_from_its_first_receipt() {
    let (early, late) = (bolna_at(COMPLETED, noon()), bolna_at(COMPLETED, after(3600)));
    let state = state(&[late, early]);
    assert_eq!((state.first_received_at, state.event_count), (noon(), 1));
}

#[test]
fn two_ends_of_one_dial() {
    let silent = |status: &str, at| record(status, at, json!({"conversation_duration": 0}));
    let talked = |status: &str, at| record(status, at, json!({"conversation_duration": 9}));
    for (one, other, want) in [
        (silent("completed", 50), silent("failed", 60), Outcome::Failed),
        (silent("completed", 60), silent("failed", 50), Outcome::NoAnswer),
        (silent("completed", 60), silent("failed", 60), Outcome::NoAnswer),
        (talked("completed", 50), silent("failed", 60), Outcome::Answered),
        (silent("no-answer", 70), talked("completed", 60), Outcome::Answered),
    ] {
        let state = state(&[one, other]);
        assert_eq!(state.outcome, want);
        assert_eq!(state.flags, ["conflicting_terminals"]);
    }
    let agreeing = state(&[silent("failed", 50), silent("error", 60)]);
    assert_eq!(agreeing.flags, Vec::<String>::new());
}

#[test]
fn retries_are_one_call() {
    let dial = |status: &str, attempt: i32, at: i64| {
        record(status, at, json!({"retry_count": attempt, "conversation_duration": 0}))
    };
    let mut events = vec![dial("no-answer", 0, 30)];
    assert!(state(&events).is_terminal);
    events.push(dial("scheduled", 1, 31));
    let reopened = state(&events);
    assert_eq!((reopened.outcome, reopened.is_terminal), (Outcome::InProgress, false));
    assert_eq!(reopened.completed_at, None);
    events.push(dial("no-answer", 1, 1900));
    assert_eq!(state(&events).outcome, Outcome::NoAnswer);
    events.push(dial("ringing", 2, 3700));
    events.push(record("completed", 3800, json!({"retry_count": 2, "conversation_duration": 12.9})));
    let done = state(&events);
    assert_eq!((done.outcome, done.attempt, done.duration_seconds), (Outcome::Answered, 2, 12));
    let dials: Vec<_> =
        done.attempts.iter().map(|dial| (dial.attempt, dial.outcome, dial.ended_at, dial.duration_seconds)).collect();
    assert_eq!(
        dials,
        [
            (0, Outcome::NoAnswer, Some(after(30)), 0),
            (1, Outcome::NoAnswer, Some(after(1900)), 0),
            (2, Outcome::Answered, Some(after(3800)), 12),
        ]
    );
    // The times are those of the dial that won.
    assert_eq!(done.ringing_started_at, Some(after(3700)));
    assert_eq!(done.started_at, time("2026-03-03T11:59:00Z"));
    assert_eq!(done.flags, Vec::<String>::new());
}

#[test]
fn a_retry_keeps_its_own_sid_and_its_own_evidence() {
    let other = "CA00000000000000000000000000000002";
    let events = [
        record(
            "completed",
            30,
            json!({
                "answered_by_voice_mail": true, "conversation_duration": 4, "telephony_data": {"provider_call_id": SID},
            }),
        ),
        // Announced while the record still names the first dial.
        record("scheduled", 31, json!({"retry_count": 1, "telephony_data": {"provider_call_id": SID}})),
        record(
            "completed",
            99,
            json!({
                "retry_count": 1, "conversation_duration": 50, "telephony_data": {"provider_call_id": other},
            }),
        ),
        callback("completed", 32, "&CallDuration=6"),
    ];
    let announced = state(&events[..2]);
    assert_eq!(announced.attempts[1].call_sid, None);
    let state = state(&events);
    assert_eq!(state.call_sids, [(SID.to_owned(), 0), (other.to_owned(), 1)]);
    let sids: Vec<_> = state.attempts.iter().map(|dial| dial.call_sid.as_deref()).collect();
    assert_eq!(sids, [Some(SID), Some(other)]);
    assert_eq!(state.attempts[0].outcome, Outcome::Voicemail);
    assert_eq!((state.outcome, state.duration_seconds), (Outcome::Answered, 50));
}

#[test]
fn carrier_and_platform_make_one_call() {
    let sid = json!({"telephony_data": {"provider_call_id": SID}, "conversation_duration": 27.2});
    let state = state(&[record("completed", 60, sid), callback("completed", 3660, "&CallDuration=42")]);
    assert_eq!(state.duration_seconds, 27);
    assert_eq!((state.event_count, state.outcome), (2, Outcome::Answered));
    assert!(state.providers.bolna && state.providers.twilio);
    assert_eq!(state.call_sids, [(SID.to_owned(), 0)]);
}

#[test]
fn the_carriers_seconds_count_only_where_nobody_measured() {
    let with_sid = |more: serde_json::Value| {
        let mut more = more;
        more["telephony_data"] = json!({"provider_call_id": SID});
        more
    };
    let live = record("in-progress", 5, with_sid(json!({"conversation_duration": 0})));
    let ended = callback("completed", 50, "&CallDuration=42");
    let by_carrier = state(&[live.clone(), ended.clone()]);
    assert_eq!((by_carrier.duration_seconds, by_carrier.outcome), (42, Outcome::Answered));
    let soft = record("call-disconnected", 49, with_sid(json!({"conversation_duration": 0})));
    let measured = state(&[live, soft, ended.clone()]);
    assert_eq!((measured.duration_seconds, measured.outcome), (0, Outcome::NoAnswer));
    // A measured first dial says nothing of the second.
    let first = record("no-answer", 9, json!({"conversation_duration": 0}));
    let second = record("ringing", 20, with_sid(json!({"retry_count": 1})));
    let retried = state(&[first, second, ended]);
    assert_eq!((retried.duration_seconds, retried.attempt), (42, 1));
    let minutes_only = state(&[callback("completed", 50, "&Duration=1")]);
    assert_eq!((minutes_only.duration_seconds, bills(&minutes_only)), (0, false));
}

#[test]
fn callbacks_of_one_second_go_by_rank_and_number() {
    let live = |status: &str, number: &str| callback(status, 7, number);
    let lifecycle = |a, b| state(&[a, b]).lifecycle;
    let ringing = || live("ringing", "&SequenceNumber=1");
    assert_eq!(lifecycle(live("in-progress", ""), live("initiated", "")), "in-progress");
    assert_eq!(lifecycle(live("in-progress", "&SequenceNumber=1"), ringing()), "in-progress");
    let last = callback("completed", 7, "&SequenceNumber=0");
    assert_eq!(lifecycle(last, ringing()), "completed");
    for pair in 0..8 {
        // Two unknown statuses tie in all but their numbers.
        let (low, high) = (pair, pair + 1);
        let event = |number: i32| live(&format!("odd{number}"), &format!("&SequenceNumber={number}"));
        assert_eq!(lifecycle(event(high), event(low)), format!("odd{high}"));
    }
}

#[test]
fn a_clock_ahead_blocks_nothing() {
    let from = |updated: &str, received, cost: i64| {
        let body = json!({"id": EXECUTION, "status": "completed", "updated_at": updated,
            "conversation_duration": 5, "total_cost": cost});
        bolna_at(&body.to_string(), received)
    };
    for ahead in ["2026-03-03T13:00:00Z", "2036-03-03T12:00:00Z", "9999-12-31T23:59:59Z"] {
        let state = state(&[from(ahead, noon(), 1), from("2026-03-03T12:05:01Z", after(302), 2)]);
        assert_eq!(state.cost_micros, 20_000);
        assert_eq!(state.last_event_at, after(301));
    }
}

#[test]
fn prices_settle() {
    let priced = |status: &str, at, cost: i64, settled: bool| {
        let more = json!({"total_cost": cost, "billing_settled": settled, "conversation_duration": 5});
        record(status, at, more)
    };
    let mut events = vec![priced("call-disconnected", 40, 3, false)];
    assert_eq!(state(&events).cost_micros, 30_000);
    events.push(priced("completed", 60, 2, false));
    assert_eq!(state(&events).cost_micros, 20_000);
    events.push(priced("completed", 70, 4, true));
    let settled = state(&events);
    assert_eq!((settled.cost_micros, settled.billing_settled), (40_000, Some(true)));
    // At the end 0 is a price; before it, only something else is.
    events.push(priced("completed", 80, 0, true));
    assert_eq!(state(&events).cost_micros, 0);
    let early = [priced("ringing", 2, 0, false), priced("in-progress", 1, 7, false)];
    assert_eq!(state(&early).cost_micros, 70_000);
}

#[test]
fn hooks_change_no_state() {
    let hook = json!({"transfer_reason": "billing", "channel": "voice", "total_cost": 99});
    let end = json!({"conversation_duration": 30, "total_cost": 3});
    let state = state(&[
        record("in-progress", 5, json!({})),
        record("in-progress", 20, hook),
        record("gone", 21, json!({"total_cost": 99})),
        record("completed", 60, end),
    ]);
    assert_eq!((state.event_count, state.lifecycle.as_str()), (4, "completed"));
    assert_eq!((state.cost_micros, state.call_answered_at), (30_000, Some(after(5))));
}

#[test]
fn machines() {
    let note = |more: serde_json::Value| {
        let mut more = more;
        more["conversation_duration"] = json!(12);
        state(&[record("completed", 60, more)]).outcome
    };
    let greeting = "user:  The mailbox is full. Leave your message at the tone.\n";
    for (more, want) in [
        (json!({"answered_by_voice_mail": true}), Outcome::Voicemail),
        (json!({"telephony_data": {"hangup_reason": "voicemail_detected"}}), Outcome::Voicemail),
        (json!({"smart_status": "Answering Machine"}), Outcome::Voicemail),
        (json!({"error_message": "reached mailbox"}), Outcome::Voicemail),
        (json!({"summary": "Carrier greeting, nobody spoke."}), Outcome::Voicemail),
        (json!({ "transcript": greeting }), Outcome::Voicemail),
        (json!({"transcript": "user:  I got your voicemail\n"}), Outcome::Answered),
        (json!({"answered_by_voice_mail": false}), Outcome::Answered),
    ] {
        assert_eq!(note(more.clone()), want, "{more}");
    }
    let busy = record("busy", 60, json!({"answered_by_voice_mail": true}));
    assert_eq!(state(&[busy]).outcome, Outcome::Busy);
    let by_carrier = state(&[callback("completed", 9, "&CallDuration=8&AnsweredBy=machine_start")]);
    assert_eq!((by_carrier.outcome, bills(&by_carrier)), (Outcome::Voicemail, true));
    // The platform has listened, the carrier has guessed.
    let heard = record("completed", 5, json!({"answered_by_voice_mail": false, "conversation_duration": 8}));
    let guessed = callback("completed", 9, "&CallDuration=8&AnsweredBy=machine_start");
    assert_eq!(state(&[heard, guessed]).outcome, Outcome::Answered);
}

#[test]
fn a_call_is_charged_when_it_is_over() {
    let talk = |status: &str, seconds: f64| record(status, 9, json!({"conversation_duration": seconds}));
    for (event, charged) in [
        (talk("call-disconnected", 30.0), false),
        (talk("in-progress", 30.0), false),
        (talk("completed", 30.0), true),
        (talk("completed", 0.9), false),
        (talk("completed", 0.0), false),
    ] {
        assert_eq!(bills(&state(&[event])), charged);
    }
    let short = state(&[talk("completed", 0.9)]);
    assert_eq!((short.outcome, short.duration_seconds, short.talked), (Outcome::Answered, 0, true));
}
