//! Bodies and events for the tests: every event here has been parsed from bytes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tallyline_model::{
    CallState, Event, Provider, Reject, merge, parse_analysis, parse_bolna, parse_instant, parse_twilio, usable_id,
};

/// An answered call's record while it rings.
pub const RINGING: &str = include_str!("../fixtures/ringing.json");
/// The same call's last record, with all that a record can hold.
pub const COMPLETED: &str = include_str!("../fixtures/completed.json");
/// A first record, before the carrier has given an id.
pub const INITIATED: &str = include_str!("../fixtures/initiated.json");
/// The carrier's last word on the call of [`COMPLETED`].
pub const TWILIO_COMPLETED: &str = include_str!("../fixtures/twilio_completed.form");
/// What an analyser finds.
pub const ANALYSIS: &str = include_str!("../fixtures/analysis.json");

pub const EXECUTION: &str = "00000000-0000-4000-8000-000000000001";
pub const SID: &str = "CA00000000000000000000000000000001";

/// Noon of the day of the fixtures.
pub fn noon() -> DateTime<Utc> {
    time("2026-03-03T12:00:00Z")
}

pub fn time(text: &str) -> DateTime<Utc> {
    parse_instant(text).expect("a time")
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

pub fn sha(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

pub fn try_bolna(body: &[u8]) -> Result<Event, Reject> {
    parse_bolna(body, noon(), sha(body))
}

pub fn bolna(body: &str) -> Event {
    bolna_at(body, noon())
}

pub fn bolna_at(body: &str, received_at: DateTime<Utc>) -> Event {
    parse_bolna(body.as_bytes(), received_at, sha(body.as_bytes())).expect(body)
}

pub fn try_twilio(form: &str) -> Result<Event, Reject> {
    parse_twilio(form.as_bytes(), noon(), sha(form.as_bytes()))
}

pub fn twilio(form: &str) -> Event {
    try_twilio(form).expect(form)
}

pub fn try_analysis(body: &str) -> Result<Event, Reject> {
    parse_analysis(body.as_bytes(), noon(), sha(body.as_bytes()))
}

pub fn analysis(body: &str) -> Event {
    try_analysis(body).expect(body)
}

/// `base` with the members of `changes` put over it, objects within objects too.
pub fn patched(base: &str, changes: Value) -> String {
    let mut value: Value = serde_json::from_str(base).expect("a fixture");
    put_over(&mut value, changes);
    value.to_string()
}

fn put_over(value: &mut Value, changes: Value) {
    match (value, changes) {
        (Value::Object(members), Value::Object(changes)) => {
            for (key, change) in changes {
                put_over(members.entry(key).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change,
    }
}

/// A small record with `status` at `seconds` after noon and more members.
pub fn record(status: &str, seconds: i64, more: Value) -> Event {
    let small = json!({
        "id": EXECUTION,
        "status": status,
        "updated_at": after(seconds).to_rfc3339(),
        "created_at": "2026-03-03T11:59:00",
    });
    bolna_at(&patched(&small.to_string(), more), after(seconds + 1))
}

/// A status callback at `seconds` after noon with more fields.
pub fn callback(status: &str, seconds: i64, more: &str) -> Event {
    let stamp = after(seconds).format("%a, %d %b %Y %H:%M:%S %z").to_string().replace('+', "%2B");
    twilio(&format!("CallSid={SID}&CallStatus={status}&Timestamp={stamp}{more}"))
}

/// The state of a set; every order of up to six events must give the same.
pub fn state(events: &[Event]) -> CallState {
    let state = merge(events).expect("a call");
    if events.len() <= 6 {
        let mut indices: Vec<usize> = (0..events.len()).collect();
        let mut seen = 0;
        permute(&mut indices, 0, &mut |order| {
            seen += 1;
            let again = merge(order.iter().map(|at| &events[*at]));
            assert_eq!(again.as_ref(), Some(&state), "in order {order:?}");
        });
        assert_eq!(seen, (1..=events.len()).product::<usize>());
    }
    state
}

/// Calls `each` with every order of `items[from..]`.
pub fn permute(items: &mut [usize], from: usize, each: &mut impl FnMut(&[usize])) {
    if from == items.len() {
        return each(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, each);
        items.swap(from, at);
    }
}

/// Stored and read back, an event is the same.
pub fn assert_stored(event: &Event) {
    let stored = serde_json::to_string(event).expect("to JSON");
    let read: Event = serde_json::from_str(&stored).expect("from JSON");
    assert_eq!(&read, event);
    assert!(!stored.contains("\\u0000"), "a NUL was kept: {stored}");
}

/// The rich record with `changes`; it must be usable and storable.
pub fn rich(changes: Value) -> Event {
    let body = patched(COMPLETED, changes);
    assert_eq!(usable_id(Provider::Bolna, body.as_bytes()), Ok(()));
    let event = bolna(&body);
    assert_stored(&event);
    event
}

/// A record whose members are written out, so that numbers keep their text.
pub fn raw(members: &str) -> Event {
    let body = format!(r#"{{"id":"x","status":"completed",{members}}}"#);
    let event = bolna(&body);
    assert_stored(&event);
    event
}

pub fn flagged(event: &Event, path: &str) -> bool {
    event.flags.contains(&format!("bad_field:{path}"))
}
