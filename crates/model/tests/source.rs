//! By what way a call came. A browser is one whatever stands for the caller; a
//! caller that looks like a number is a telephone; what says nothing is unknown,
//! and never replaces what another event knows.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tallyline_model::CallSource::{self, Internet, Phone, Unknown};

/// The caller, the kind of the call, and the source; the same in every envelope.
fn cases() -> Vec<(Value, Value, CallSource)> {
    let phone = json!("outbound");
    vec![
        // Numbers, however written.
        (json!("+12025550143"), phone.clone(), Phone),
        (json!("12025550143"), phone.clone(), Phone),
        (json!("2025550143"), phone.clone(), Phone),
        (json!("+1 202 555 0143"), phone.clone(), Phone),
        (json!("+1 (202) 555-0143"), phone.clone(), Phone),
        (json!("(202) 555-0143"), phone.clone(), Phone),
        (json!("202-555-0143"), phone.clone(), Phone),
        (json!("+91 98000 00001"), phone.clone(), Phone),
        (json!("+44-20-7946-0958"), phone.clone(), Phone),
        (json!("+971 50 000 0000"), phone.clone(), Phone),
        (json!("  +12025550143 "), phone.clone(), Phone),
        (json!("100"), phone.clone(), Phone),
        (json!("+1"), phone.clone(), Phone),
        // A browser wins over its number.
        (json!("+12025550143"), json!("web"), Internet),
        (json!("+12025550143"), json!("browser"), Internet),
        (json!("+12025550143"), json!("WEB"), Internet),
        (json!("+12025550143"), json!("Browser"), Internet),
        (json!("+12025550143"), json!("web-call"), Internet),
        (json!("+12025550143"), json!("websocket"), Internet),
        (json!("session-7f3a"), json!("web"), Internet),
        (json!("internal"), json!("web"), Internet),
        (json!(null), json!("web"), Internet),
        (json!(""), json!("browser"), Internet),
        // From within the platform.
        (json!("internal"), phone.clone(), Internet),
        (json!("INTERNAL"), phone.clone(), Internet),
        (json!("internal"), json!(null), Internet),
        // Nothing that can be read.
        (json!(null), phone.clone(), Unknown),
        (json!(""), phone.clone(), Unknown),
        (json!("   "), phone.clone(), Unknown),
        (json!(null), json!(null), Unknown),
        (json!(null), json!("webinar"), Unknown),
        (json!("anonymous"), phone.clone(), Unknown),
        (json!("unknown"), phone.clone(), Unknown),
        (json!("session-7f3a"), phone.clone(), Unknown),
        (json!("7f3a9c"), phone.clone(), Unknown),
        (json!("sip:joe@example.test"), phone.clone(), Unknown),
        (json!("+1202555O143"), phone.clone(), Unknown),
        (json!("++12025550143"), phone.clone(), Unknown),
        (json!("1+2025550143"), phone.clone(), Unknown),
        (json!("()"), phone.clone(), Unknown),
        (json!("-"), phone.clone(), Unknown),
        (json!("+"), phone.clone(), Unknown),
        (json!({ "number": "+12025550143" }), phone.clone(), Unknown),
        (json!(["+12025550143"]), phone, Unknown),
    ]
}

/// The caller by role, and as one end of the line in both directions.
fn envelopes(caller: &Value, kind: &Value) -> [Value; 4] {
    let bare = |more: Value| {
        let mut body = json!({ "id": EXECUTION, "status": "ringing" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let directed = |direction: &str, key: &str| {
        let call_type = if kind == "outbound" { json!(direction) } else { kind.clone() };
        let mut telephony = json!({ "call_type": call_type });
        telephony[key] = caller.clone();
        bare(json!({ "telephony_data": telephony }))
    };
    let provider = if kind == "outbound" { json!("plivo") } else { kind.clone() };
    [
        bare(json!({ "user_number": caller, "provider": provider, "telephony_data": null })),
        bare(json!({ "user_number": caller, "telephony_data": { "provider": provider } })),
        directed("inbound", "from_number"),
        directed("outbound", "to_number"),
    ]
}

/// Breaks tried: the number looked at before the kind, and an unknown caller taken for
/// a telephone, as the platform's own database once did.
#[test]
fn a_source_follows_the_kind_and_the_caller() {
    for (caller, kind, want) in cases() {
        for body in envelopes(&caller, &kind) {
            assert_eq!(state(&[bolna(&body.to_string())]).source, want, "{body}");
        }
    }
}

#[test]
fn what_is_not_known_replaces_nothing() {
    let record = |seconds, number: &str| record("ringing", seconds, json!({ "user_number": number }));
    for (known, want) in [("+12025550143", Phone), ("internal", Internet)] {
        for other in ["", "anonymous", "session-7f3a"] {
            assert_eq!(state(&[record(5, known), record(9, other)]).source, want, "{known} {other}");
        }
    }
    assert_eq!(state(&[record(5, "+12025550143"), record(9, "internal")]).source, Internet, "the last that knows");
}

/// The length of a call, however bad, says nothing of its source.
#[test]
fn a_bad_length_leaves_the_source_alone() {
    for seconds in [json!(-5), json!("abc"), json!(1e9), json!(null)] {
        let more = json!({ "user_number": "+12025550143", "conversation_duration": seconds });
        assert_eq!(state(&[record("completed", 5, more)]).source, Phone);
    }
}

#[test]
fn the_carriers_callbacks_tell_it_too() {
    for (direction, from, want) in [
        ("inbound", "%2B12025550143", Phone),
        ("inbound", "client%3Ajoe", Internet),
        ("inbound", "sip%3Ajoe%40example.test", Unknown),
        ("inbound", "anonymous", Unknown),
        ("sideways", "%2B12025550143", Unknown),
    ] {
        let event = callback("ringing", 1, &format!("&Direction={direction}&From={from}&To=%2B12025550100"));
        assert_eq!(state(&[event]).source, want, "{direction} {from}");
    }
}
