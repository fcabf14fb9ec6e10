//! Rows 61 to 66: numbers, addresses, transcripts, histories and free keys.

use serde_json::{Value, json};

use super::pipeline::{CUSTOMER, Pipeline, flagged, record, with};

const TO: &str = "telephony_data.to_number";
const EXTRACTED: &str = "extracted_data";

/// That the logs know no number is what [`Pipeline::settle`] looks for.
/// Break tried: `+1` taken for a number.
#[tokio::test]
async fn bad_input_61_a_number_is_kept_as_given_and_never_guessed() {
    let p = Pipeline::start().await;
    let forty = "1".repeat(40);
    let sixty = "2".repeat(60);
    // As sent; what is kept of it; the number of the contact, if there is one.
    let cases = [
        (json!(null), json!(null), None),
        (json!(""), json!(null), None),
        (json!("client:joe"), json!("client:joe"), None),
        (json!("sip:joe@example.test"), json!("sip:joe@example.test"), None),
        (json!(format!("sip:+{CUSTOMER}@example.test")), json!(format!("sip:+{CUSTOMER}@example.test")), None),
        (json!("anonymous"), json!("anonymous"), None),
        (json!("+1"), json!("+1"), None),
        (json!("12025550143"), json!("12025550143"), None),
        (json!(forty), json!(forty), None),
        (json!(sixty), json!(&sixty[..50]), None),
        (json!("+1 800 FLOWERS"), json!("+1 800 FLOWERS"), None),
        (json!("+١٢٠٢٥٥٥٠١٤٣"), json!("+١٢٠٢٥٥٥٠١٤٣"), None),
        (json!(12_025_550_143_u64), json!(null), None),
        (json!("+1 (202) 555-01.43"), json!("+1 (202) 555-01.43"), Some("+12025550143")),
        (json!("+12025550143"), json!("+12025550143"), Some("+12025550143")),
    ];
    p.accept_records(cases.iter().map(|(given, ..)| with(TO, given))).await;
    p.settle().await;
    for ((given, kept, contact), call) in cases.iter().zip(p.calls(cases.len()).await) {
        assert_eq!((&call["phone_number"], &call["contact"]["phone_e164"]), (kept, &json!(contact)), "{given}");
        assert_eq!(flagged(&call, "bad_field:telephony_data.to_number"), given.is_number(), "{given}");
        assert_eq!(flagged(&call, "truncated:telephony_data.to_number"), given.as_str() == Some(&sixty), "{given}");
        assert_eq!(call["outcome"], "answered", "{given}");
    }
    assert_eq!(p.it.count("SELECT count(*) FROM contacts").await, 1);
}

#[tokio::test]
async fn bad_input_62_an_object_that_is_none_is_left_out() {
    let p = Pipeline::start().await;
    let recipient = |data: Value| with("context_details", json!({ "recipient_data": data }));
    let repr = "{'name': 'Asha', 'said': \"it's fine\", 'ok': True, 'none': None}";
    let cases = [
        (with("telephony_data", "null"), vec![], json!("Asha")),
        (with("telephony_data", "\"\""), vec![], json!("Asha")),
        (with("telephony_data", "[]"), vec!["bad_field:telephony_data"], json!("Asha")),
        (with("telephony_data", "\"x\""), vec!["bad_field:telephony_data"], json!("Asha")),
        (with("telephony_data", "7"), vec!["bad_field:telephony_data"], json!("Asha")),
        (with("context_details", "[]"), vec!["bad_field:context_details"], json!(null)),
        (recipient(json!("{\"customer_name\":\"Ravi\"}")), vec![], json!("Ravi")),
        (recipient(json!(repr)), vec![], json!(null)),
        (recipient(json!("Ravi")), vec![], json!(null)),
        (recipient(json!("")), vec![], json!(null)),
        (recipient(json!(["Ravi"])), vec!["bad_field:context_details.recipient_data"], json!(null)),
        (with("agent_extraction", json!(repr)), vec![], json!("Asha")),
        (with("agent_extraction", json!("{\"a\": \"unfinished")), vec![], json!("Asha")),
        (with("custom_extractions", json!([1, "x", null])), vec![], json!("Asha")),
        (with("custom_extractions", json!("x".repeat(300_000))), vec!["too_long:custom_extractions"], json!("Asha")),
        (with("cost_breakdown", "\"free\""), vec!["bad_field:cost_breakdown"], json!("Asha")),
        (with("usage_breakdown", "[]"), vec!["bad_field:usage_breakdown"], json!("Asha")),
        (with("transfer_call_data", "7"), vec!["bad_field:transfer_call_data"], json!("Asha")),
        (with("retry_config", "true"), vec!["bad_field:retry_config"], json!("Asha")),
    ];
    p.accept_records(cases.iter().map(|(members, ..)| members.clone())).await;
    p.settle().await;
    let calls = p.calls(cases.len()).await;
    for ((members, flags, name), call) in cases.iter().zip(&calls) {
        assert_eq!((&call["flags"], &call["caller_name"]), (&json!(flags), name), "{members:.200?}");
        assert_eq!(call["outcome"], "answered", "{members:.200?}");
    }
    assert_eq!(calls[11]["bolna_metadata"]["agent_extraction"], repr);
}

/// Nothing here fetches a recording, whatever its address: the only client that calls
/// out with a provider's words asks the provider's own interface, by id.
#[tokio::test]
async fn bad_input_63_the_address_of_a_recording_is_text() {
    let p = Pipeline::start().await;
    // Somebody who would notice being asked.
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = format!("http://{}/recording", trap.local_addr().unwrap());
    let long = format!("https://r.example.test/{}", "x".repeat(1_000_000));
    let given = [
        "",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        &local,
        "https://evil.example/r",
        "//no-scheme",
        &long,
    ];
    p.accept_records(given.iter().map(|url| with("telephony_data.recording_url", json!(url)))).await;
    p.settle().await;
    for (url, call) in given.iter().zip(p.calls(given.len()).await) {
        let kept = if url.is_empty() { Value::Null } else { json!(url) };
        assert_eq!((&call["recording_url"], &call["flags"]), (&kept, &json!([])), "{url:.40}");
    }
    let asked = tokio::time::timeout(std::time::Duration::ZERO, trap.accept()).await;
    assert!(asked.is_err(), "somebody asked for the recording");
}

#[tokio::test]
async fn bad_input_64_a_transcript_in_any_form_is_text() {
    let p = Pipeline::start().await;
    let line = |bytes: usize| format!("user:  {}\n", "x".repeat(bytes));
    let (status, body) = p.bolna(record("e-x", &with("transcript", json!(line(5_000_000))))).await;
    assert_eq!((status, body.as_str()), (413, ""));

    let lines = "assistant: a\nuser:  b\n".repeat(50_000);
    let large = line(1_900_000);
    let turns = json!([{ "role": "user", "text": "hi" }, { "role": "assistant", "text": "" }]);
    let object = json!({ "turns": turns });
    let cases = [
        (json!(lines), json!(lines), None),
        (json!(large), json!(large), None),
        (turns.clone(), json!(turns.to_string()), None),
        (object.clone(), json!(object.to_string()), None),
        (json!([]), json!(null), None),
        (json!({}), json!(null), None),
        (json!(" \n"), json!(null), None),
        (json!(7), json!(null), Some("bad_field:transcript")),
        (json!("no speaker at all\n\n: x\nuser:"), json!("no speaker at all\n\n: x\nuser:"), None),
    ];
    p.accept_records(cases.iter().map(|(given, ..)| with("transcript", given))).await;
    p.settle().await;
    for ((given, kept, flag), call) in cases.iter().zip(p.calls(cases.len()).await) {
        let shown = format!("{:.60}", given.to_string());
        assert!(&call["transcript"] == kept, "{shown}");
        assert_eq!(call["flags"], json!(flag.iter().collect::<Vec<_>>()), "{shown}");
    }
    let segments = "SELECT max(jsonb_array_length(speaker_segments))::bigint FROM transcripts";
    assert_eq!(p.it.count(segments).await, 100_000);
}

#[tokio::test]
async fn bad_input_65_a_retry_that_cannot_be_is_the_first_dial() {
    let p = Pipeline::start().await;
    let item =
        |attempt: i64, status: &str| json!({ "attempt": attempt, "status": status, "at": "2026-03-03T10:12:00Z" });
    let many: Vec<Value> = (0..10_000).map(|n| item(1 + n % 3, "no-answer")).collect();
    let (count, history) = ("retry_count", "retry_history");
    let cases = [
        (with(count, "-1"), 0, vec!["bad_field:retry_count"], 1),
        (with(count, "4"), 0, vec!["bad_field:retry_count"], 1),
        (with(count, "\"1\""), 1, vec![], 1),
        (with(count, "1.0"), 1, vec![], 1),
        (with(count, "3"), 3, vec![], 1),
        (with(count, "2147483648"), 0, vec!["bad_field:retry_count"], 1),
        (with(count, "1.5"), 0, vec!["bad_field:retry_count"], 1),
        (with(count, "[]"), 0, vec!["bad_field:retry_count"], 1),
        (with(count, "null"), 0, vec![], 1),
        (with(history, json!(many)), 0, vec!["truncated:retry_history"], 3),
        (with(history, "7"), 0, vec!["bad_field:retry_history"], 1),
        (with(history, "{}"), 0, vec!["bad_field:retry_history"], 1),
        (with(history, "[7,null,{}]"), 0, vec!["bad_field:retry_history"], 1),
        (
            with(history, json!([item(0, "busy")])),
            0,
            vec!["bad_field:retry_history", "bad_field:retry_history.attempt"],
            1,
        ),
        (with(history, json!([item(1, "busy"), item(2, "busy")])), 0, vec![], 2),
    ];
    p.accept_records(cases.iter().map(|(members, ..)| members.clone())).await;
    p.settle().await;
    for ((members, attempt, flags, dials), call) in cases.iter().zip(p.calls(cases.len()).await) {
        let shown = format!("{:.100}", format!("{members:?}"));
        assert_eq!((&call["attempt"], &call["flags"]), (&json!(attempt), &json!(flags)), "{shown}");
        assert_eq!(call["attempts"].as_array().unwrap().len(), *dials, "{shown}");
        assert_eq!((&call["outcome"], &call["charged"]), (&json!("answered"), &json!(1_000_000)), "{shown}");
    }
}

#[tokio::test]
async fn bad_input_66_extracted_data_is_opaque() {
    let p = Pipeline::start().await;
    let found = |confidence: Value| json!({ "subjective": "null", "objective": "28", "confidence": confidence, "validation": null });
    let cases = [
        json!({ "a.b": { "c.d": found(json!(7)) } }),
        json!({ "": { "": found(json!(-1)) } }),
        json!({ "k".repeat(300_000): { "x": found(json!("High")) } }),
        json!({ "Lead Quality": "null" }),
        json!({ "user_interested": true, "address": "…", "Größe €/m² 😀": 1 }),
        json!({ "$.a[*]": 1, "a->>'b'": 2, "{a,b}": 3 }),
        json!("null"),
        json!(["a", 1]),
        json!(7),
    ];
    p.accept_records(cases.iter().map(|value| with(EXTRACTED, value))).await;
    p.settle().await;
    for (value, call) in cases.iter().zip(p.calls(cases.len()).await) {
        let shown = format!("{:.60}", value.to_string());
        assert!(&call["bolna_metadata"][EXTRACTED] == value, "{shown}");
        assert_eq!((&call["outcome"], &call["flags"]), (&json!("answered"), &json!([])), "{shown}");
    }
}
