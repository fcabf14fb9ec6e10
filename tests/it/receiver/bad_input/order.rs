//! Rows 67 to 75: events in any order, repeated, contradictory, of other legs, and of
//! two providers about one call.

use serde_json::{Value, json};

use super::pipeline::{Pipeline, flagged, form, record, sid};
use crate::receiver::support::answer;

/// A record of a status at a minute past ten, of so many seconds of conversation.
fn step(id: &str, status: &str, minute: u32, seconds: &str, more: &[(&str, &str)]) -> String {
    let own = [
        ("status", json!(status).to_string()),
        ("updated_at", format!("\"2026-03-03T10:{minute:02}:00\"")),
        ("conversation_duration", seconds.to_owned()),
    ];
    let more = more.iter().map(|(key, text)| (*key, (*text).to_owned()));
    record(id, &own.into_iter().chain(more).collect::<Vec<_>>())
}

fn of(call: &Value, columns: &[&str]) -> Vec<Value> {
    columns.iter().map(|column| call[column].clone()).collect()
}

/// Break tried: the time of the last event of a status instead of the first.
#[tokio::test]
async fn bad_input_67_early_events_that_come_late_only_fill_in() {
    let p = Pipeline::start().await;
    p.accept("completed", step("e-0", "completed", 14, "27.2", &[])).await;
    p.settle().await;
    let before = p.call("e-0").await;
    let late = [("ringing", 12), ("in-progress", 13), ("call-disconnected", 14), ("ringing", 13), ("initiated", 11)];
    for (status, minute) in late {
        p.accept(status, step("e-0", status, minute, "0", &[("transcript", "\"\""), ("total_cost", "0")])).await;
        p.settle().await;
        let columns =
            ["outcome", "duration_seconds", "cost_micros", "transcript", "completed_at", "charges", "started_at"];
        assert_eq!(of(&p.call("e-0").await, &columns), of(&before, &columns), "{status}");
    }
    let call = p.call("e-0").await;
    let times = of(&call, &["ringing_started_at", "call_answered_at", "call_disconnected_at"]);
    assert_eq!(times, [12, 13, 14].map(|minute| json!(format!("2026-03-03T10:{minute}:00+00:00"))));
    assert_eq!(p.months().await, (1, 1, 27, 35_400));
}

#[tokio::test]
async fn bad_input_68_the_same_words_again_count_once() {
    let p = Pipeline::start().await;
    let body = record("e-0", &[]);
    p.accept("first", body.clone()).await;
    assert_eq!(p.bolna(body.clone()).await, (200, r#"{"status":"duplicate"}"#.to_owned()));
    p.process().await;
    assert_eq!(p.bolna(body.clone()).await, (200, r#"{"status":"duplicate"}"#.to_owned()));
    // Another hash each, the same words: blanks, the order of the keys, escapes.
    let (first, rest) = body[1..].split_once(',').unwrap();
    let turned = format!("{{{},{first}}}", &rest[..rest.len() - 1]);
    for (what, other) in [
        ("a line break", format!("{body}\n")),
        ("a blank", body.replacen(':', ": ", 1)),
        ("the order of keys", turned),
        ("an escape", body.replacen("Asha", "\\u0041sha", 1)),
        ("a number's text", body.replacen("27.2", "27.20", 1)),
    ] {
        p.accept(what, other).await;
    }
    p.settle().await;
    let call = p.call("e-0").await;
    assert_eq!(of(&call, &["charges", "charged", "cost_micros"]), [json!(1), json!(1_000_000), json!(35_400)]);
    assert_eq!(call["bolna_metadata"]["event_count"], 6);
    assert_eq!(p.months().await, (1, 1, 27, 35_400));
    assert_eq!(p.answered("bolna", "duplicate"), 2);
    assert_eq!(p.counted("tallyline_events_duplicate_total", &["bolna"]), 2);
}

/// The table lets the higher `updated_at` win and `completed` at a tie. The design
/// (section 10) looks first at whether anybody talked, and that is what holds. Break
/// tried: talk left out of the order.
#[tokio::test]
async fn bad_input_69_of_two_ends_the_one_with_talk_wins_then_the_later() {
    let p = Pipeline::start().await;
    // Status, minute and seconds of either end; the outcome and the charge.
    let cases = [
        (("completed", 12, "27.2"), ("failed", 13, "0"), "answered", 1_000_000),
        (("completed", 13, "27.2"), ("failed", 12, "0"), "answered", 1_000_000),
        (("no-answer", 12, "0"), ("completed", 13, "27.2"), "answered", 1_000_000),
        (("no-answer", 13, "0"), ("completed", 12, "27.2"), "answered", 1_000_000),
        (("completed", 12, "0"), ("failed", 13, "0"), "failed", 0),
        (("completed", 13, "0"), ("failed", 12, "0"), "no_answer", 0),
        (("completed", 12, "0"), ("failed", 12, "0"), "no_answer", 0),
        (("completed", 12, "0"), ("busy", 12, "0"), "no_answer", 0),
        (("busy", 12, "0"), ("canceled", 13, "0"), "cancelled", 0),
        (("completed", 12, "27.2"), ("failed", 13, "30"), "failed", 1_000_000),
    ];
    for (number, (one, other, ..)) in cases.iter().enumerate() {
        // In either order, and in one batch or in two.
        for (order, ends) in [[one, other], [other, one]].into_iter().enumerate() {
            for (status, minute, seconds) in ends {
                p.accept(status, step(&format!("e-{number}-{order}"), status, *minute, seconds, &[])).await;
                if number % 2 == 0 {
                    p.process().await;
                }
            }
        }
    }
    p.settle().await;
    for (number, (one, other, outcome, charged)) in cases.iter().enumerate() {
        for order in 0..2 {
            let call = p.call(&format!("e-{number}-{order}")).await;
            assert_eq!(
                of(&call, &["outcome", "charged"]),
                [json!(outcome), json!(charged)],
                "{one:?} {other:?} {order}"
            );
            assert!(flagged(&call, "conflicting_terminals"), "{one:?} {other:?} {order}");
        }
    }
    assert_eq!(p.months().await.0, 2 * cases.len() as i64);
}

#[tokio::test]
async fn bad_input_70_retries_are_dials_of_one_call() {
    let p = Pipeline::start().await;
    let dial = |id: &str, status: &str, minute: u32, seconds: &str, retry: &str| {
        step(id, status, minute, seconds, &[("retry_count", retry), ("total_cost", "1")])
    };
    let life = |id: &str| {
        [
            dial(id, "no-answer", 12, "0", "0"),
            dial(id, "scheduled", 13, "0", "1"),
            dial(id, "no-answer", 42, "0", "1"),
            dial(id, "completed", 59, "61", "2"),
        ]
    };
    let told = [("no_answer", 0, 1), ("in_progress", 0, 2), ("no_answer", 0, 2), ("answered", 2_000_000, 3)];
    for (body, (outcome, charged, dials)) in life("e-0").into_iter().zip(told) {
        p.accept(outcome, body).await;
        p.settle().await;
        let call = p.call("e-0").await;
        assert_eq!(of(&call, &["outcome", "charged"]), [json!(outcome), json!(charged)]);
        assert_eq!(call["attempts"].as_array().unwrap().len(), dials);
    }
    // All at once, the last first.
    for body in life("e-1").into_iter().rev() {
        p.accept("e-1", body).await;
    }
    // Late news of an early dial re-opens and ends nothing.
    p.accept("late", dial("e-1", "failed", 58, "0", "0")).await;
    p.settle().await;
    let dials =
        json!([[0, "no-answer", "no_answer", 0], [1, "no-answer", "no_answer", 0], [2, "completed", "answered", 61]]);
    assert_eq!(p.call("e-0").await["attempts"], dials);
    let late = p.call("e-1").await;
    assert_eq!(
        (&late["outcome"], &late["attempts"][0][2], &late["charges"]),
        (&json!("answered"), &json!("failed"), &json!(1))
    );
    assert_eq!(p.months().await.0, 2);
}

#[tokio::test]
async fn bad_input_71_numbers_of_callbacks_that_are_missing_or_wrong() {
    let p = Pipeline::start().await;
    p.map_number().await;
    let at = |dial: u32, status: &str, second: u32, number: &str| {
        let own = format!("&SequenceNumber={second}&");
        let number = if number.is_empty() { "&".to_owned() } else { format!("&SequenceNumber={number}&") };
        let more = if status == "completed" { "&CallDuration=42" } else { "" };
        form(dial, status, second, more).replace(&own, &number)
    };
    // Dial, the forms in the order of their arrival, the status that counts, whether a number was bad.
    let cases = [
        (1, vec![at(1, "completed", 3, "3"), at(1, "in-progress", 2, "2")], "completed", false),
        (2, vec![at(2, "in-progress", 2, ""), at(2, "ringing", 1, "")], "in-progress", false),
        (
            3,
            vec![at(3, "in-progress", 1, ""), at(3, "ringing", 1, ""), at(3, "initiated", 1, "")],
            "in-progress",
            false,
        ),
        (4, vec![at(4, "ringing", 1, "-1"), at(4, "completed", 3, "3")], "completed", true),
        (5, vec![at(5, "completed", 3, "abc")], "completed", true),
        (6, vec![at(6, "completed", 3, "1099511627776"), at(6, "ringing", 1, "1")], "completed", true),
        (7, vec![at(7, "in-progress", 2, "2"), at(7, "ringing", 2, "2")], "in-progress", false),
        (8, vec![at(8, "completed", 3, "3"), at(8, "failed", 3, "3")], "completed", false),
        (9, vec![at(9, "ringing", 1, "9"), at(9, "in-progress", 2, "0")], "in-progress", false),
    ];
    for (dial, forms, ..) in &cases {
        for form in forms {
            p.accept_form(form).await;
            if dial % 2 == 1 {
                p.process_after_the_wait().await;
            }
        }
    }
    p.process_after_the_wait().await;
    p.settle().await;
    for (dial, forms, status, is_bad) in &cases {
        let call = p.call(&sid(*dial)).await;
        assert_eq!(call["call_lifecycle_status"], *status, "{dial}");
        assert_eq!(flagged(&call, "bad_field:SequenceNumber"), *is_bad, "{dial}");
        assert_eq!(call["facts"].as_array().unwrap().len(), forms.len(), "{dial}");
        assert_eq!(call["charged"], if *status == "completed" { 1_000_000 } else { 0 }, "{dial}");
    }
    assert_eq!(p.call(&sid(1)).await["call_answered_at"], "2026-03-03T10:12:02+00:00");
    assert_eq!(p.months().await.0, cases.len() as i64);
}

#[tokio::test]
async fn bad_input_72_seconds_are_digits_and_minutes_are_no_seconds() {
    let p = Pipeline::start().await;
    p.map_number().await;
    let cases = [
        ("&CallDuration=", 0, false),
        ("&CallDuration=-1", 0, true),
        ("&CallDuration=1e5", 0, true),
        ("&CallDuration=12.5", 0, true),
        ("&CallDuration=86401", 0, true),
        ("&CallDuration=99999999999999999999", 0, true),
        ("&CallDuration=%2B42", 0, true),
        ("&CallDuration=+42", 0, true),
        ("&CallDuration=0x2a", 0, true),
        ("&CallDuration=%EF%BC%94%EF%BC%92", 0, true),
        ("&CallDuration=042", 42, false),
        ("&CallDuration=42&Duration=1", 42, false),
        ("&Duration=1", 0, false),
        ("&Duration=42", 0, false),
        ("", 0, false),
    ];
    for (dial, (more, ..)) in cases.iter().enumerate() {
        p.accept_form(&form(dial as u32, "completed", 3, more)).await;
    }
    let twice = form(99, "completed", 3, "&CallDuration=42&CallDuration=43");
    assert_eq!(answer(p.it.twilio(&twice)).await, (400, r#"{"error":"duplicate_key"}"#.to_owned()));
    p.process_after_the_wait().await;
    p.settle().await;
    for (dial, (more, seconds, is_bad)) in cases.iter().enumerate() {
        let call = p.call(&sid(dial as u32)).await;
        let outcome = if *seconds > 0 { "answered" } else { "no_answer" };
        let charged = if *seconds > 0 { 1_000_000 } else { 0 };
        let expected = [json!(seconds), json!(outcome), json!(charged)];
        assert_eq!(of(&call, &["duration_seconds", "outcome", "charged"]), expected, "{more}");
        assert_eq!(flagged(&call, "bad_field:CallDuration"), *is_bad, "{more}");
    }
    assert_eq!(p.months().await, (cases.len() as i64, 2, 84, 0));
}

#[tokio::test]
async fn bad_input_73_other_statuses_legs_and_kinds_of_callback() {
    let p = Pipeline::start().await;
    p.map_number().await;
    let leg =
        |dial: u32, parent: u32| format!("&CallDuration=600&ParentCallSid={}", sid(parent)) + &format!("&x={dial}");
    // The leg before its call.
    p.accept_form(&form(2, "completed", 3, &leg(2, 1))).await;
    p.process().await;
    p.accept_form(&form(1, "completed", 3, "&CallDuration=42")).await;
    p.accept_form(&form(3, "completed", 3, &leg(3, 2))).await;
    for (dial, status) in [(4, "answered"), (5, "COMPLETED"), (6, "dialing")] {
        p.accept_form(&form(dial, status, 1, "&CallDuration=42")).await;
    }
    // No call's status, a leg of itself, a leg of nobody, and a leg of what is no sid.
    let recording = format!("CallSid={}&RecordingSid=RE1&RecordingStatus=completed&RecordingDuration=40", sid(1));
    p.accept_form(&format!("AccountSid=AC00000000000000000000000000000001&{recording}")).await;
    p.accept_form(&form(7, "completed", 3, &leg(7, 7))).await;
    p.accept_form(&form(8, "completed", 3, &leg(8, 77))).await;
    p.accept_form(&form(9, "completed", 3, "&CallDuration=42&ParentCallSid=CA9")).await;
    p.process_after_the_wait().await;
    p.settle().await;
    assert_eq!(p.quarantined().await, ["bad_sid", "bad_sid", "no_call", "not_a_call_status"]);

    let call = p.call(&sid(1)).await;
    assert_eq!(
        of(&call, &["duration_seconds", "duration_minutes", "charged"]),
        [json!(42), json!(1), json!(1_000_000)]
    );
    let legs = [2, 3].map(|dial| json!([sid(dial), "child", "answered", 600]));
    assert_eq!(call["legs"], json!(legs));
    for dial in [4, 5, 6] {
        let call = p.call(&sid(dial)).await;
        assert_eq!(of(&call, &["outcome", "charged"]), [json!("in_progress"), json!(0)], "{dial}");
    }
    assert_eq!(p.months().await, (4, 1, 42, 0));
}

/// What Twilio's event streams quote of a request looks like a form, but is a value
/// in a JSON text. Break tried: the first byte not looked at, which stores the first
/// of these as the end of the call that it quotes.
#[tokio::test]
async fn bad_input_73_a_form_quoted_in_json_is_no_callback() {
    let p = Pipeline::start().await;
    p.map_number().await;
    let account = "AccountSid=AC00000000000000000000000000000001";
    let end =
        format!("CallSid={}&CallStatus=completed&CallDuration=42&From=%2B12025550100&Direction=outbound-api", sid(1));
    let event = |parameters: &str| {
        let data = json!({ "request": { "method": "POST", "parameters": parameters } });
        json!([{ "specversion": "1.0", "id": "EZ1", "type": "com.twilio.error-logs.error.logged", "data": data }])
            .to_string()
    };
    let quoted = format!("&{end}&{account}&");
    let bodies = [
        event(""),
        event(&quoted),
        format!("\n {}", event(&quoted)),
        json!({ "a": quoted }).to_string(),
        json!(quoted).to_string(),
    ];
    for body in &bodies {
        let refused = (400, r#"{"error":"not_a_call_status"}"#.to_owned());
        assert_eq!(answer(p.twilio_json(body)).await, refused, "{body}");
    }
    p.process_after_the_wait().await;
    p.settle().await;
    assert_eq!(p.months().await.0, 0);
    assert_eq!(p.it.stored().await, (0, 0, bodies.len() as i64));
    assert_eq!(p.answered("twilio", "rejected"), bodies.len() as u64);
}

#[tokio::test]
async fn bad_input_74_two_providers_speak_of_one_call() {
    let p = Pipeline::start().await;
    p.map_number().await;
    let by_platform = |dial: u32| {
        let sid = json!(sid(dial)).to_string();
        step(&format!("e-{dial}"), "completed", 14, "27.2", &[("telephony_data.provider_call_id", &sid)])
    };
    let by_carrier = |dial: u32| {
        let an_hour_later = form(dial, "completed", 3, "&CallDuration=42&Duration=1").replace("+10%3A12", "+11%3A12");
        // Every other one is dialled from a number that no agent has.
        if dial.is_multiple_of(2) { an_hour_later } else { an_hour_later.replace("%2B12025550100", "%2B12025550199") }
    };
    for dial in 0..2 {
        p.accept("platform", by_platform(dial)).await;
        p.accept_form(&by_carrier(dial + 2)).await;
        p.accept("platform", by_platform(dial + 4)).await;
        p.accept_form(&by_carrier(dial + 4)).await;
    }
    // Long enough for the carrier's to become calls of their own, or to give up.
    p.process_after_the_wait().await;
    assert_eq!(p.quarantined().await, ["no_call"]);
    p.check().await;
    assert_eq!(p.months().await.0, 5);
    for dial in 0..2 {
        p.accept_form(&by_carrier(dial)).await;
        p.accept("platform", by_platform(dial + 2)).await;
    }
    p.settle().await;
    for dial in 0..6 {
        let call = p.call(&format!("e-{dial}")).await;
        let columns = ["outcome", "duration_seconds", "charges", "charged", "cost_micros"];
        // A carrier's word alone was charged by the line: 42 seconds are one minute as well.
        let expected = [json!("answered"), json!(27), json!(1), json!(1_000_000), json!(35_400)];
        assert_eq!(of(&call, &columns), expected, "{dial}");
        assert_eq!(call["bolna_metadata"]["event_count"], 2, "{dial}");
        assert_eq!(call["id"], p.call(&sid(dial)).await["id"], "{dial}");
    }
    assert_eq!(p.quarantined().await, Vec::<String>::new());
    assert_eq!(p.months().await, (6, 6, 6 * 27, 6 * 35_400));
}

/// A hook is told apart by nothing, so a price in it counts until the call's end tells
/// the right one; a status in it is what it says, and gives way to later ones.
#[tokio::test]
async fn bad_input_75_what_a_hook_adds_is_no_change_of_state() {
    let p = Pipeline::start().await;
    let hook = |id: &str, members: &[(&str, &str)]| {
        let mut all = vec![("transfer_reason", "\"billing\""), ("channel", "\"voice\""), ("total_cost", "0")];
        all.extend_from_slice(members);
        step(id, "in-progress", 13, "0", &all)
    };
    let overrides = [
        vec![],
        vec![("total_cost", "99")],
        vec![("total_cost", "\"a lot\"")],
        vec![("status", "\"billing\"")],
        vec![("status", "\"no-answer\"")],
        vec![("conversation_duration", "7200")],
        vec![("retry_count", "\"billing\"")],
    ];
    let mut expected = Vec::new();
    for (number, members) in overrides.iter().enumerate() {
        let id = format!("e-{number}");
        p.accept("live", step(&id, "in-progress", 12, "0", &[("total_cost", "0")])).await;
        p.accept(&id, hook(&id, members)).await;
        expected.push(if members == &[("status", "\"no-answer\"")] { "no_answer" } else { "in_progress" });
    }
    p.settle().await;
    for (number, outcome) in expected.iter().enumerate() {
        let call = p.call(&format!("e-{number}")).await;
        assert_eq!(of(&call, &["outcome", "charged"]), [json!(outcome), json!(0)], "{number}");
        assert_eq!(call["call_answered_at"], "2026-03-03T10:12:00+00:00", "{number}");
        assert_eq!(call["bolna_metadata"]["event_count"], 2, "{number}: not taken for a repetition");
    }
    for number in 0..overrides.len() {
        p.accept("end", step(&format!("e-{number}"), "completed", 14, "27.2", &[])).await;
    }
    p.settle().await;
    for (number, call) in p.calls(overrides.len()).await.into_iter().enumerate() {
        let columns = ["outcome", "duration_seconds", "cost_micros", "charged", "attempt"];
        let expected = [json!("answered"), json!(27), json!(35_400), json!(1_000_000), json!(0)];
        assert_eq!(of(&call, &columns), expected, "{number}");
        assert_eq!(call["call_answered_at"], "2026-03-03T10:12:00+00:00", "{number}");
    }
    // The key of a hook that is named like the id names another call, and is refused.
    let (status, body) = p.bolna(hook("e-0", &[("execution_id", "\"mine\"")])).await;
    assert_eq!((status, body.as_str()), (400, r#"{"error":"id_mismatch"}"#));
}
