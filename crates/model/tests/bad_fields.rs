//! Bad fields: the field is empty and flagged, the rest of the event counts.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tallyline_model::{Event, Provider, Reject, normalise_e164, usable_id};

#[test]
fn unknown_statuses_are_kept_and_end_nothing() {
    for (status, want) in [
        (json!("dialing"), "dialing"),
        (json!("voicemail"), "voicemail"),
        (json!("COMPLETED"), "COMPLETED"),
        (json!("completed "), "completed "),
        (json!(""), "unknown"),
        (json!(null), "unknown"),
        (json!(42), "unknown"),
        (json!(["completed"]), "unknown"),
    ] {
        let event = rich(json!({ "status": status }));
        assert_eq!(event.status, want);
        assert_eq!(flagged(&event, "status"), want == "unknown");
        let state = state(&[event]);
        assert!(!state.is_terminal && !tallyline_model::bills(&state), "{want}");
        assert_eq!((state.outcome.as_str(), state.lifecycle.as_str()), ("in_progress", want));
    }
}

#[test]
fn line_seconds() {
    for (text, want, bad) in [
        ("\"42\"", Some(42), false),
        ("42", Some(42), false),
        ("42.0", Some(42), false),
        ("\"\"", None, false),
        ("null", None, false),
        ("\"42.5\"", None, true),
        ("42.5", None, true),
        ("\"abc\"", None, true),
        ("\"1:02\"", None, true),
        ("-5", None, true),
        ("1e9", None, true),
        ("true", None, true),
        ("86400", Some(86_400), false),
        ("86401", None, true),
        ("[42]", None, true),
    ] {
        let event = raw(&format!(r#""telephony_data":{{"duration":{text}}}"#));
        assert_eq!(event.facts.telephony_seconds, want, "{text}");
        assert_eq!(flagged(&event, "telephony_data.duration"), bad, "{text}");
    }
}

#[test]
fn conversation_seconds() {
    for (members, want, bad) in [
        (r#""conversation_duration":27.2"#, Some("27.2"), false),
        (r#""conversation_duration":"27.2""#, Some("27.2"), false),
        (r#""conversation_duration":0.0000001"#, Some("0.0000001"), false),
        (r#""conversation_duration":-0"#, Some("0"), false),
        (r#""conversation_duration":86400"#, Some("86400"), false),
        (r#""conversation_duration":0.1e-400"#, Some("0.000000000000000001"), false),
        (r#""conversation_duration":-1"#, None, true),
        (r#""conversation_duration":86401"#, None, true),
        (r#""conversation_duration":1e12"#, None, true),
        (r#""conversation_duration":1e308"#, None, true),
        (r#""conversation_duration":"long""#, None, true),
        (r#""conversation_time":41"#, Some("41"), false),
        (r#""conversation_time":41,"conversation_duration":27.2"#, Some("27.2"), false),
        (r#""conversation_time":41,"conversation_duration":null"#, Some("41"), false),
    ] {
        let event = raw(members);
        let got = event.facts.conversation_seconds.map(|seconds| seconds.to_string());
        assert_eq!(got.as_deref(), want, "{members}");
        assert_eq!(flagged(&event, "conversation_duration"), bad, "{members}");
    }
}

#[test]
fn durations_that_cannot_be() {
    let inconsistent = |event: &Event| event.flags == ["inconsistent_duration"];
    assert!(inconsistent(&rich(json!({"telephony_data": {"duration": "20"}}))));
    assert!(inconsistent(&rich(json!({"updated_at": "2026-03-03T10:11:20Z"}))));
    assert!(!inconsistent(&rich(json!({"telephony_data": {"duration": "27"}}))));
}

#[test]
fn costs() {
    for (text, want, bad) in [
        ("3.54", Some(35_400), false),
        ("\"3.54\"", Some(35_400), false),
        ("3.5400000000000001", Some(35_400), false),
        ("0.29", Some(2_900), false),
        ("-0", Some(0), false),
        ("0.1e-400", Some(0), false),
        ("null", None, false),
        ("\"\"", None, false),
        ("-3.54", None, true),
        ("1e15", None, true),
        ("1e308", None, true),
        ("123456789012345678901234567890", None, true),
        ("\"3,54\"", None, true),
        ("\"NaN\"", None, true),
        ("{}", None, true),
    ] {
        let event = raw(&format!(r#""total_cost":{text}"#));
        assert_eq!(event.facts.total_cost_micros, want, "{text}");
        assert_eq!(flagged(&event, "total_cost"), bad, "{text}");
        assert_eq!(state(&[event]).cost_micros, want.unwrap_or(0), "{text}");
    }
}

#[test]
fn cost_legs() {
    let mismatch = |legs: &str| {
        let event = raw(&format!(r#""total_cost":3.54,"cost_breakdown":{legs}"#));
        state(&[event]).flags
    };
    assert_eq!(mismatch(r#"{"llm":3.55}"#), Vec::<String>::new());
    assert_eq!(mismatch(r#"{"llm":3.5501}"#), ["cost_mismatch"]);
    assert_eq!(mismatch(r#"{"llm":"3.54","network":null,"magic":9}"#), Vec::<String>::new());
    assert_eq!(mismatch("{}"), Vec::<String>::new());
    let negative = mismatch(r#"{"llm":-1,"network":3.54}"#);
    assert_eq!(negative, ["bad_field:cost_breakdown.llm"]);
    assert_eq!(mismatch("[1]"), ["bad_field:cost_breakdown"]);
}

#[test]
fn timestamps() {
    let at = Some(time("2026-03-03T10:11:12Z"));
    for (given, want) in [
        (json!("2026-03-03T10:11:12"), at),
        (json!("2026-03-03T10:11:12Z"), at),
        (json!("2026-03-03T15:41:12+05:30"), at),
        (json!("2026-03-03 10:11:12"), at),
        (json!("Tue, 03 Mar 2026 10:11:12 +0000"), at),
        (json!(1_772_532_672), None),
        (json!(1_772_532_672_000_i64), None),
        (json!("1772532672"), None),
        (json!("0000-00-00"), None),
        (json!("294277-01-01T00:00:00Z"), None),
        (json!("2026-03-03T10:11:60Z"), None),
        (json!("2026-02-30T10:11:12Z"), None),
        (json!(true), None),
    ] {
        let event = rich(json!({"created_at": given, "updated_at": given, "initiated_at": given}));
        assert_eq!([event.created_at, event.updated_at, event.initiated_at], [want; 3], "{given}");
        for path in ["created_at", "updated_at", "initiated_at"] {
            assert_eq!(flagged(&event, path), want.is_none(), "{given}");
        }
    }
    let empty = rich(json!({"initiated_at": "", "created_at": null}));
    assert_eq!((empty.initiated_at, empty.created_at, empty.flags), (None, None, vec![]));
}

#[test]
fn a_start_that_cannot_be_is_not_believed() {
    let start = |initiated: &str, created: &str| {
        let state = state(&[rich(json!({"initiated_at": initiated, "created_at": created}))]);
        (state.started_at, state.flags)
    };
    let created = "2026-03-03T10:11:08Z";
    let flag = |name: &str| vec![format!("implausible:{name}")];
    for initiated in ["1970-01-01T00:00:00", "2014-12-31T23:59:59Z", "2026-03-04T12:00:01Z", "9999-01-01T00:00:00Z"] {
        assert_eq!(start(initiated, created), (time(created), flag("initiated_at")));
    }
    for initiated in ["2015-01-01T00:00:00Z", "2026-03-04T12:00:00Z", "2025-12-01T00:00:00Z"] {
        assert_eq!(start(initiated, created).0, time(initiated));
    }
    assert_eq!(start("", "1970-01-01T00:00:00").0, noon());
    // A clock that was never set must not order events either.
    let unset = rich(json!({"updated_at": "1970-01-01T00:00:00"}));
    assert!(unset.updated_at.is_none() && flagged(&unset, "updated_at"));
}

#[test]
fn numbers_are_kept_as_given() {
    for number in ["client:joe", "sip:joe@example.test", "anonymous", "+1", "abc", "+1 202 555"] {
        let event = rich(json!({
            "telephony_data": {"to_number": number}, "context_details": {"recipient_phone_number": ""},
        }));
        assert_eq!(event.facts.customer_number.as_deref(), Some(number));
        let is_plain = number == "+1 202 555";
        assert_eq!(normalise_e164(number, None).is_some(), is_plain, "{number}");
    }
    let long = rich(json!({"context_details": {"recipient_phone_number": "9".repeat(60)}}));
    assert_eq!(long.facts.customer_number, Some("9".repeat(50)));
    assert_eq!(long.flags, ["truncated:context_details.recipient_phone_number"]);
}

#[test]
fn objects_that_are_none() {
    for odd in [json!([]), json!("x"), json!(7)] {
        let event = rich(json!({"telephony_data": odd, "context_details": odd}));
        assert!(flagged(&event, "telephony_data") && flagged(&event, "context_details"));
        assert_eq!(event.facts.customer_number.as_deref(), Some("+12025550143"));
        assert_eq!(event.facts.conversation_seconds.unwrap().to_string(), "27.2");
    }
    let name = |data: Value| rich(json!({"context_details": {"recipient_data": data}})).facts.customer_name;
    assert_eq!(name(json!("{\"name\":\"Asha\"}")).as_deref(), Some("Asha"));
    assert_eq!(name(json!("{'name': 'Asha'}")), None);
    assert_eq!(name(json!("Asha")), None);
    assert_eq!(name(json!(["Asha"])), None);
    assert_eq!(name(json!({"customer_name": "", "name": "B"})).as_deref(), Some("B"));
}

#[test]
fn free_text_and_free_keys() {
    for url in ["javascript:alert(1)", "file:///etc/passwd", "http://169.254.169.254/"] {
        let event = rich(json!({"telephony_data": {"recording_url": url}}));
        assert_eq!(event.facts.recording_url.as_deref(), Some(url));
    }
    let turns = rich(json!({"transcript": [{"role": "user", "text": "h\u{0}i"}]}));
    assert_eq!(turns.facts.transcript.as_deref(), Some(r#"[{"role":"user","text":"hi"}]"#));
    let odd = rich(json!({"transcript": 7, "summary": {"a": 1}}));
    assert!(flagged(&odd, "transcript") && flagged(&odd, "summary"));
    let free = json!({"a.b": {"": "null"}, "k".repeat(300_000): 7, "c": {"confidence": 7}});
    let event = rich(json!({"extracted_data": null}));
    assert_eq!(event.facts.extracted_data, None);
    let mut body: Value = serde_json::from_str(COMPLETED).unwrap();
    body["extracted_data"] = free.clone();
    assert_eq!(bolna(&body.to_string()).facts.extracted_data, Some(free));
    let repr = rich(json!({"agent_extraction": "{'intent': None}", "custom_extractions": "x"}));
    assert_eq!(repr.flags, Vec::<String>::new());
}

/// Found by fuzzing: our reader takes the second of these for its neighbour, and that
/// one for another.
#[test]
fn free_numbers_are_read_back_as_they_were_stored() {
    for number in
        ["123456789012345678901234567890", "33333333333333333333333333333333.0", "0.30000000000000004", "1e308"]
    {
        // `raw` compares the event with what is read back.
        let event = raw(&format!(r#""extracted_data":{{"a":[{number}]}},"agent_extraction":{number}"#));
        let is_text = event.facts.extracted_data.unwrap()["a"][0].is_string();
        assert_eq!(is_text, !number.contains(['.', 'e']), "{number}");
    }
}

#[test]
fn attempts() {
    for (count, want, bad) in [
        ("0", 0, false),
        ("3", 3, false),
        ("\"1\"", 1, false),
        ("null", 0, false),
        ("-1", 0, true),
        ("4", 0, true),
        ("2147483648", 0, true),
        ("123456789012345678901234567890", 0, true),
        ("1.5", 0, true),
        ("[]", 0, true),
    ] {
        let event = raw(&format!(r#""retry_count":{count},"retry_history":7"#));
        assert_eq!(event.attempt, want, "{count}");
        assert_eq!(flagged(&event, "retry_count"), bad, "{count}");
    }
}

#[test]
fn flags_and_codes() {
    let event = raw(
        r#""answered_by_voice_mail":"true","billing_settled":0,"telephony_data":{"hangup_code":3010,"hangup_provider_code":"x"}"#,
    );
    assert_eq!(event.facts.answered_by_voice_mail, Some(true));
    assert_eq!(event.facts.hangup_provider_code, Some(3010));
    let bad = ["bad_field:billing_settled", "bad_field:telephony_data.hangup_provider_code"];
    assert_eq!(event.flags, bad);
}

#[test]
fn callback_fields() {
    for (value, want, bad) in [
        ("42", Some(42), false),
        ("042", Some(42), false),
        ("0", Some(0), false),
        ("", None, false),
        ("-1", None, true),
        ("1e5", None, true),
        ("12.5", None, true),
        ("86401", None, true),
        ("99999999999999999999", None, true),
    ] {
        let event = callback("completed", 0, &format!("&CallDuration={value}&Duration=1"));
        assert_eq!(event.facts.telephony_seconds, want, "{value}");
        assert_eq!(flagged(&event, "CallDuration"), bad, "{value}");
    }
    let minutes = callback("completed", 0, "&Duration=1");
    assert_eq!(minutes.facts.telephony_seconds, None);
    for (value, want, bad) in [
        ("3", Some(3), false),
        ("", None, false),
        ("-1", None, true),
        ("abc", None, true),
        ("1099511627776", None, true),
    ] {
        let event = callback("ringing", 0, &format!("&SequenceNumber={value}"));
        assert_eq!(event.facts.sequence_number, want, "{value}");
        assert_eq!(flagged(&event, "SequenceNumber"), bad, "{value}");
    }
    let account = callback("ringing", 0, "&AccountSid=AC1");
    assert!(account.account_sid.is_none() && flagged(&account, "AccountSid"));
}

#[test]
fn callbacks_of_other_kinds() {
    for (form, reason) in [
        ("", Reject::NoId),
        ("CallStatus=completed", Reject::NoId),
        ("CallSid=&CallStatus=completed", Reject::NoId),
        ("a=1&B=2&A=3&b=4", Reject::NoId),
        ("[{\"specversion\":\"1.0\"}]", Reject::NotACallStatus),
        (&format!(" {{\"request\":\"&CallSid={SID}&CallStatus=completed&\"}}")[..], Reject::NotACallStatus),
        ("CallSid=CA1&CallStatus=completed", Reject::BadSid),
        ("CallSid=AC00000000000000000000000000000001&CallStatus=completed", Reject::BadSid),
        ("CallSid=CA0000000000000000000000000000000g&CallStatus=completed", Reject::BadSid),
    ] {
        assert_eq!(try_twilio(form), Err(reason.clone()), "{form}");
        assert_eq!(usable_id(Provider::Twilio, form.as_bytes()), Err(reason), "{form}");
    }
    for (more, reason) in [
        // Whose leg it is cannot be read, and a call of its own it is not.
        ("&CallStatus=completed&ParentCallSid=CA2", Reject::BadSid),
        (&format!("&CallStatus=completed&ParentCallSid={SID}")[..], Reject::BadSid),
        ("&RecordingStatus=completed", Reject::NotACallStatus),
        ("&Digits=9&Digits=1&Digits=9", Reject::NotACallStatus),
        ("", Reject::NotACallStatus),
    ] {
        let form = format!("CallSid={SID}{more}");
        assert_eq!(try_twilio(&form), Err(reason), "{form}");
        // They name a call, so the receiver keeps them for the quarantine.
        assert_eq!(usable_id(Provider::Twilio, form.as_bytes()), Ok(()), "{form}");
    }
    let twice = format!("CallSid={SID}&CallStatus=completed&CallStatus=failed");
    assert_eq!(try_twilio(&twice), Err(Reject::DuplicateKey("CallStatus".to_owned())));
}

#[test]
fn odd_callbacks_that_count() {
    let answered = callback("answered", 0, "&From=&CallerName=+Zo%C3%AB+%26+%F0%9F%98%80+&ForwardedFrom=");
    assert_eq!(answered.status, "answered");
    assert!(!state(&[answered]).is_terminal);
    let child = callback("completed", 0, "&ParentCallSid=");
    assert_eq!(child.parent_call_sid, None);
    let upper = try_twilio("CallSid=CAABCDEF00000000000000000000000001&CallStatus=queued").unwrap();
    assert_eq!(upper.call_sid.as_deref(), Some("CAabcdef00000000000000000000000001"));
    let garbled = try_twilio(&format!("CallSid={SID}&CallStatus=%ff%00x&From=%00")).unwrap();
    assert_eq!(garbled.status, "\u{fffd}x");
    assert_stored(&garbled);
}
