//! Bodies that are refused as a whole, and odd ones that are not.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::json;
use tallyline_model::{Provider, Reject, usable_id};

/// Refused by the receiver's check and by the parser alike.
fn assert_refused(body: &[u8], reason: &Reject) {
    let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
    assert_eq!(usable_id(Provider::Bolna, body).as_ref(), Err(reason), "{shown}");
    assert_eq!(try_bolna(body).as_ref(), Err(reason), "{shown}");
}

#[test]
fn what_is_no_object() {
    for body in ["", " ", "\n\t", "{", "nul"] {
        assert_refused(body.as_bytes(), &Reject::NotJson);
    }
    for body in ["null", "[]", "\"x\"", "42", "true", " [{\"id\":\"x\"}]"] {
        assert_refused(body.as_bytes(), &Reject::NotAnObject);
    }
}

#[test]
fn what_is_no_json() {
    for body in [
        "{\"id\":\"x\"}x",
        "{\"id\":\"x\"}{\"id\":\"y\"}",
        "\u{feff}{\"id\":\"x\"}",
        "{\"id\":\"x\"/* */}",
        "{'id':'x'}",
        "{\"id\":\"x\",}",
        "{\"id\":\"x\",\"a\":[1,]}",
        "{\"id\":\"x\",\"total_cost\":NaN}",
        "{\"id\":\"x\",\"total_cost\":Infinity}",
        "{\"id\":\"x\",\"total_cost\":-Infinity}",
        "{\"id\":\"x\",\"total_cost\":1e400}",
        "{\"id\":\"x\",\"free\":{\"deep\":[1e400]}}",
        "{\"id\":\"x\",\"total_cost\":01}",
        "{\"id\":\"x\",\"total_cost\":+1}",
        r#"{"id":"x","transcript":"\ud800"}"#,
        r#"{"id":"x","transcript":"\udc00\ud800"}"#,
        r#"{"id":"x","extracted_data":{"a":["\ud800"]}}"#,
        "{\"id\":\"x\",\"transcript\":\"tab\there\"}",
        "{\"id\":\"x\",\"transcript\":\"nul\u{0}here\"}",
    ] {
        assert_refused(body.as_bytes(), &Reject::NotJson);
    }
}

#[test]
fn what_is_no_utf8() {
    let with = |bytes: &[u8]| [b"{\"id\":\"x\",\"summary\":\"", bytes, b"\"}"].concat();
    for bytes in [&[0xff][..], &[0xc0, 0x80], &[0xf0, 0x9f, 0x98], &[0xed, 0xa0, 0x80]] {
        assert_refused(&with(bytes), &Reject::NotJson);
    }
    for big_endian in [true, false] {
        let pack = |unit: u16| {
            if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }
        };
        let wide: Vec<u8> = "{\"id\":\"x\"}".encode_utf16().flat_map(pack).collect();
        assert_refused(&wide, &Reject::NotJson);
    }
}

#[test]
fn nuls_are_removed() {
    let event = rich(json!({
        "status": "comp\u{0}leted", "transcript": "a\u{0}b", "k\u{0}ey": 1,
        "extracted_data": {"c\u{0}d": ["e\u{0}f", {"g\u{0}": "\u{0}"}]},
        "telephony_data": {"hangup_reason": "\u{0}"},
    }));
    assert_eq!(event.status, "completed");
    assert_eq!(event.facts.transcript.as_deref(), Some("ab"));
    let free = event.facts.extracted_data.unwrap();
    assert_eq!(free["cd"], json!(["ef", {"g": ""}]));
    assert!(!free.to_string().contains("\\u0000"));
    assert_eq!(event.facts.hangup_reason, None);
    assert_refused(b"{\"id\":\"a\\u0000b\"}", &Reject::BadId);
}

#[test]
fn any_script_is_kept() {
    let name = "👩‍👩‍👧 \u{202e}abc e\u{301} 𠀀 '; DROP TABLE <script>{{x}}";
    let event = rich(json!({
        "context_details": {"recipient_data": {"customer_name": name}},
        "__proto__": {"a": 1}, "constructor": [], "": null, "$where": "1",
    }));
    assert_eq!(event.facts.customer_name.as_deref(), Some(name));
    assert_eq!(event.flags, Vec::<String>::new());
}

#[test]
fn doubled_keys_are_refused_at_the_top() {
    for (body, key) in [
        (r#"{"id":"x","id":"x"}"#, "id"),
        (r#"{"id":"x","status":"completed","status":"failed"}"#, "status"),
        (r#"{"id":"x","total_cost":1,"total_cost":2}"#, "total_cost"),
        (r#"{"id":"x","st\u0061tus":"completed","status":"failed"}"#, "status"),
        (r#"{"id":"x","+12025550143":1,"+12025550143":1}"#, "other"),
    ] {
        let reject = Reject::DuplicateKey(key.to_owned());
        assert_refused(body.as_bytes(), &reject);
        assert!(!reject.to_string().contains("12025550143"));
    }
    // Deeper down the last one counts, as for every other reader of the body.
    let nested = raw(r#""telephony_data":{"duration":"1","duration":"2"}"#);
    assert_eq!(nested.facts.telephony_seconds, Some(2));
}

#[test]
fn nesting_ends_at_127() {
    let deep = |levels: usize| {
        let inner = levels - 1;
        format!(r#"{{"id":"x","status":"completed","extracted_data":{}{}}}"#, "[".repeat(inner), "]".repeat(inner))
    };
    let event = bolna(&deep(127));
    assert_eq!(event.facts.extracted_data, None);
    assert_eq!(event.flags, ["too_deep:extracted_data"]);
    assert_stored(&event);
    let kept = bolna(&deep(101));
    assert!(kept.facts.extracted_data.is_some());
    assert_stored(&kept);
    for levels in [128, 129, 100_000] {
        assert_refused(deep(levels).as_bytes(), &Reject::NotJson);
    }
    let objects = format!("{{\"id\":\"x\",\"a\":{}", "{\"a\":".repeat(100_000));
    assert_refused(objects.as_bytes(), &Reject::NotJson);
}

#[test]
fn big_bodies_take_bounded_time() {
    let keys: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let event = raw(&keys.join(","));
    assert_eq!(event.status, "completed");
    let key = "k".repeat(1_000_000);
    assert_eq!(raw(&format!("\"{key}\":1")).status, "completed");
    let digits = "1".repeat(1_000_000);
    assert!(flagged(&raw(&format!("\"total_cost\":0.{digits}e9")), "total_cost"));
    assert_eq!(raw(&format!("\"total_cost\":0.{digits}")).facts.total_cost_micros, Some(1_111));
    assert_refused(format!("{{\"id\":\"x\",\"a\":{digits}}}").as_bytes(), &Reject::NotJson);
    let status = rich(json!({"status": "s".repeat(1_000_000)}));
    assert_eq!(status.status.len(), 64);
}

#[test]
fn ids() {
    for (id, want) in [
        (json!("0E8400E2-0000-4000-8000-00000000000A"), "0e8400e2-0000-4000-8000-00000000000a"),
        (json!(7432382142914_u64), "7432382142914"),
        (json!("agent#1733000000"), "agent#1733000000"),
        (json!("../../etc/passwd"), "../../etc/passwd"),
        (json!("é".repeat(128)), &"é".repeat(128)),
    ] {
        let event = rich(json!({ "id": id }));
        assert_eq!(event.execution_id.as_deref(), Some(want));
    }
    let exact = bolna(r#"{"id":123456789012345678901234567890,"status":"queued"}"#);
    assert_eq!(exact.execution_id.as_deref(), Some("123456789012345678901234567890"));
    for (id, reason) in [
        (json!(null), Reject::NoId),
        (json!(""), Reject::NoId),
        (json!("  "), Reject::NoId),
        (json!("x".repeat(129)), Reject::BadId),
        (json!("x".repeat(10_000)), Reject::BadId),
        (json!(1.5), Reject::BadId),
        (json!(-1), Reject::BadId),
        (json!(true), Reject::BadId),
        (json!({"id": 1}), Reject::BadId),
    ] {
        assert_refused(patched(COMPLETED, json!({ "id": id })).as_bytes(), &reason);
    }
    assert_refused(b"{\"status\":\"completed\"}", &Reject::NoId);
}

#[test]
fn ids_by_other_names() {
    for key in ["execution_id", "call_id"] {
        let body = format!(r#"{{"{key}":"x","status":"completed"}}"#);
        assert_eq!(bolna(&body).execution_id.as_deref(), Some("x"));
        let agreeing = format!(r#"{{"id":"x","{key}":"x"}}"#);
        assert_eq!(usable_id(Provider::Bolna, agreeing.as_bytes()), Ok(()));
        let other = format!(r#"{{"id":"y","{key}":"x"}}"#);
        assert_refused(other.as_bytes(), &Reject::IdMismatch);
    }
}

#[test]
fn agents() {
    let upper = rich(json!({"agent_id": "A1B2C3D4-0000-4000-8000-00000000000A"}));
    assert_eq!(upper.agent_ref.as_deref(), Some("a1b2c3d4-0000-4000-8000-00000000000a"));
    assert_eq!(rich(json!({"agent_id": null})).agent_ref, None);
    let long = rich(json!({"agent_id": "a".repeat(129)}));
    assert!(long.agent_ref.is_none() && flagged(&long, "agent_id"));
}

#[test]
fn reasons_are_stable_and_say_nothing_of_the_body() {
    let secret = r#"{"id":{"secret":"+12025550143"}}"#;
    let reject = try_bolna(secret.as_bytes()).unwrap_err();
    assert_eq!(reject.reason(), "bad_id");
    assert!(!format!("{reject} {reject:?}").contains("2025550143"));
    for (reject, reason) in [
        (Reject::NotJson, "not_json"),
        (Reject::NotAnObject, "not_an_object"),
        (Reject::NoId, "no_id"),
        (Reject::IdMismatch, "id_mismatch"),
        (Reject::DuplicateKey("id".to_owned()), "duplicate_key"),
        (Reject::BadSid, "bad_sid"),
        (Reject::NotACallStatus, "not_a_call_status"),
        (Reject::NotIndividual, "not_individual"),
        (Reject::NoAnalysis, "no_analysis"),
    ] {
        assert_eq!(reject.reason(), reason);
    }
}
