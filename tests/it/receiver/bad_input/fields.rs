//! Rows 49 to 60: fields that hold what they should not. The field is empty and
//! flagged, the rest of the event counts.

use serde_json::{Value, json};
use tallyline::tenants::add_agent;

use super::pipeline::{Pipeline, flagged, record, with};

const DURATION: &str = "telephony_data.duration";

/// What a call says of itself, as a list to be compared.
fn of(call: &Value, columns: &[&str]) -> Vec<Value> {
    columns.iter().map(|column| call[column].clone()).collect()
}

#[tokio::test]
async fn bad_input_49_ids_are_opaque_and_short() {
    let p = Pipeline::start().await;
    let named = |id: &str| record("", &with("id", id));
    let long = |length: usize| json!("é".repeat(length)).to_string();
    let refused = [
        (named(""), "no_id"),
        (named("null"), "no_id"),
        (named(r#""""#), "no_id"),
        (named(r#""  ""#), "no_id"),
        (named(&long(129)), "bad_id"),
        (named(&json!("x".repeat(10_240)).to_string()), "bad_id"),
        (named("1.5"), "bad_id"),
        (named("-1"), "bad_id"),
        (named("1e3"), "bad_id"),
        (named("true"), "bad_id"),
        (named("[1]"), "bad_id"),
        (named("{}"), "bad_id"),
    ];
    p.refuse(&refused.iter().map(|(body, reason)| (body.as_bytes(), *reason)).collect::<Vec<_>>()).await;

    let upper = "0E8400E2-0000-4000-8000-00000000000A";
    let kept = ["7432382142914", "../../etc/passwd", "%2e%2e%2f", "agent#1733000000", "not a uuid", "e\u{301}", "ID-A"];
    for id in kept {
        let text = if id.parse::<u64>().is_ok() { id.to_owned() } else { json!(id).to_string() };
        p.accept(id, named(&text)).await;
    }
    p.accept("128 characters", named(&long(128))).await;
    p.accept("upper case", record(upper, &[])).await;
    p.accept("lower case", record(&upper.to_lowercase(), &[])).await;
    p.settle().await;
    for id in kept {
        assert_eq!(p.call(id).await["bolna_execution_id"], id);
    }
    assert!(p.call("id-a").await.is_null(), "only the case of UUIDs is folded");
    assert!(p.call(&"é".repeat(128)).await.is_object());
    assert!(p.call(upper).await.is_null());
    let one = p.call(&upper.to_lowercase()).await;
    assert_eq!((&one["bolna_metadata"]["event_count"], &one["charges"]), (&json!(2), &json!(1)));
    assert_eq!(p.months().await.0, 9);
}

/// Ids that disagree are refused at the door and kept there, as the design's section
/// 10 has it, and not quarantined after an answer that all is well.
#[tokio::test]
async fn bad_input_50_an_id_by_another_name_is_the_id() {
    let p = Pipeline::start().await;
    let ids = |id: &str, execution: &str, call: &str| {
        let members = [("id", id), ("execution_id", execution), ("call_id", call)];
        record("", &members.map(|(key, text)| (key, text.to_owned())))
    };
    let (x, y) = ("\"e-x\"", "\"e-y\"");
    let refused = [ids(x, y, ""), ids(x, "", y), ids("", x, y), ids(x, x, y), ids(x, "1", "")];
    p.refuse(&refused.iter().map(|body| (body.as_bytes(), "id_mismatch")).collect::<Vec<_>>()).await;
    assert_eq!(p.bolna(ids(x, "", "1.5")).await, (400, r#"{"error":"bad_id"}"#.to_owned()));

    for (number, body) in [
        ids("", "\"e-0\"", ""),
        ids("", "", "\"e-1\""),
        ids("\"e-2\"", "\"e-2\"", "\"e-2\""),
        ids("null", "\"e-3\"", "\"\""),
        ids("4", "\"4\"", ""),
    ]
    .into_iter()
    .enumerate()
    {
        p.accept(&number.to_string(), body).await;
    }
    p.settle().await;
    for id in ["e-0", "e-1", "e-2", "e-3", "4"] {
        assert_eq!(p.call(id).await["outcome"], "answered", "{id}");
    }
    assert_eq!(p.months().await.0, 5);
}

#[tokio::test]
async fn bad_input_51_an_agent_that_nobody_knows_is_waited_for() {
    let p = Pipeline::start().await;
    let mut conn = p.it.db.pool.acquire().await.unwrap();
    add_agent(&mut conn, p.tenant(), "gone", "Agent").await.unwrap();
    // Nobody talked, or the ledger would hold it, and the call with it.
    let before = [
        ("agent_id", "\"gone\"".to_owned()),
        ("status", "\"busy\"".to_owned()),
        ("conversation_duration", "0".to_owned()),
    ];
    p.accept("before it went", record("e-before", &before)).await;
    p.process().await;
    sqlx::query("DELETE FROM agents WHERE bolna_agent_id = 'gone'").execute(&p.it.db.admin).await.unwrap();
    let agents = ["\"new\"", "\"gone\"", "null", "\"\"", "", "{}", "4.5"];
    for (number, agent) in agents.iter().enumerate() {
        p.accept(agent, record(&format!("e-{number}"), &with("agent_id", agent))).await;
    }
    let long = json!("a".repeat(129)).to_string();
    p.accept("too long", record("e-long", &with("agent_id", &long))).await;
    p.settle().await;
    let (unknown, none) = ("unknown_agent", "no_agent");
    assert_eq!(p.quarantined().await, [none, none, none, none, none, none, unknown, unknown]);
    assert_eq!(p.counted("tallyline_events_quarantined_total", &["unknown_agent"]), 2);
    assert_eq!(p.months().await.0, 0, "the calls of a deleted agent went with it");
    let kept =
        "SELECT count(*) FROM tally.quarantine q JOIN tally.inbox i ON i.user_id = q.user_id AND i.id = q.inbox_id
                WHERE i.body IS NOT NULL";
    assert_eq!(p.it.count(kept).await, 8);

    // The agent appears, and another event of an execution says whose it is.
    add_agent(&mut conn, p.tenant(), "NEW", "Another one: only the case of UUIDs is folded").await.unwrap();
    add_agent(&mut conn, p.tenant(), "new", "Agent").await.unwrap();
    drop(conn);
    p.accept("later", record("e-2", &with("status", "\"busy\""))).await;
    p.settle().await;
    assert_eq!(p.quarantined().await, [none, none, none, none, none, unknown]);
    assert_eq!(p.call("e-0").await["outcome"], "answered");
    assert_eq!(p.call("e-2").await["bolna_metadata"]["event_count"], 2);
}

/// Break tried: case and blanks folded, which ends two of these calls.
#[tokio::test]
async fn bad_input_52_a_status_that_nobody_knows_ends_nothing() {
    let p = Pipeline::start().await;
    let (megabyte, cut) = (json!("s".repeat(1_000_000)).to_string(), json!("s".repeat(64)));
    let unknown = json!("unknown");
    // As sent, as kept, and whether anything was wrong with it.
    let cases = [
        ("\"dialing\"", json!("dialing"), None),
        ("\"voicemail\"", json!("voicemail"), None),
        ("\"COMPLETED\"", json!("COMPLETED"), None),
        ("\"completed \"", json!("completed "), None),
        ("\"cancelled\"", json!("cancelled"), None),
        ("\"in_progress\"", json!("in_progress"), None),
        ("\"\"", unknown.clone(), Some("bad_field:status")),
        ("null", unknown.clone(), Some("bad_field:status")),
        ("", unknown.clone(), Some("bad_field:status")),
        ("42", unknown.clone(), Some("bad_field:status")),
        ("[\"completed\"]", unknown, Some("bad_field:status")),
        (&megabyte, cut, Some("truncated:status")),
    ];
    p.accept_records(cases.iter().map(|(text, ..)| with("status", text))).await;
    p.settle().await;
    for ((text, kept, flag), call) in cases.iter().zip(p.calls(cases.len()).await) {
        let columns = ["call_lifecycle_status", "outcome", "status", "completed_at", "charged"];
        let expected = [kept.clone(), json!("in_progress"), json!("in_progress"), Value::Null, json!(0)];
        assert_eq!(of(&call, &columns), expected, "{text:.20}");
        let flags: Vec<&str> = flag.iter().copied().collect();
        assert_eq!(call["flags"], json!(flags), "{text:.20}");
    }
    // They are no end either way: what is known before and after them counts.
    p.accept("after", record("e-0", &[])).await;
    p.accept("later still", record("e-0", &with("status", "\"hanging\""))).await;
    p.settle().await;
    assert_eq!(of(&p.call("e-0").await, &["outcome", "charged"]), [json!("answered"), json!(1_000_000)]);
}

#[tokio::test]
async fn bad_input_53_the_length_of_the_line_is_whole_seconds_or_absent() {
    let p = Pipeline::start().await;
    let cases = [
        ("\"42\"", json!(42), false),
        ("42", json!(42), false),
        ("42.0", json!(42), false),
        ("\"\"", Value::Null, false),
        ("null", Value::Null, false),
        ("\"42.5\"", Value::Null, true),
        ("42.5", Value::Null, true),
        ("\"abc\"", Value::Null, true),
        ("\"1:02\"", Value::Null, true),
        ("-5", Value::Null, true),
        ("\"-5\"", Value::Null, true),
        ("1e9", Value::Null, true),
        ("true", Value::Null, true),
        ("[42]", Value::Null, true),
    ];
    p.accept_records(cases.iter().map(|(text, ..)| with(DURATION, text))).await;
    p.settle().await;
    for ((text, kept, is_bad), call) in cases.iter().zip(p.calls(cases.len()).await) {
        assert_eq!(&call["facts"][0]["facts"]["telephony_seconds"], kept, "{text}");
        let flags = if *is_bad { json!(["bad_field:telephony_data.duration"]) } else { json!([]) };
        assert_eq!(call["flags"], flags, "{text}");
        assert_eq!(of(&call, &["duration_seconds", "duration_minutes"]), [json!(27), json!(1)], "{text}");
    }
}

/// Break tried: one second more than a day.
#[tokio::test]
async fn bad_input_54_a_conversation_lasts_from_nothing_to_a_day() {
    let p = Pipeline::start().await;
    let both = |duration: &str, time: &str| {
        vec![("conversation_duration", duration.to_owned()), ("conversation_time", time.to_owned())]
    };
    // Seconds and minutes kept, the outcome, and the field that was bad.
    let cases = [
        (both("-1", ""), 0, 0, "no_answer", "conversation_duration"),
        (both("86401", ""), 0, 0, "no_answer", "conversation_duration"),
        (both("86400.000001", ""), 0, 0, "no_answer", "conversation_duration"),
        (both("1e12", ""), 0, 0, "no_answer", "conversation_duration"),
        (both("\"long\"", ""), 0, 0, "no_answer", "conversation_duration"),
        (both("true", ""), 0, 0, "no_answer", "conversation_duration"),
        (both("0", ""), 0, 0, "no_answer", ""),
        (both("null", ""), 0, 0, "no_answer", ""),
        (both("", ""), 0, 0, "no_answer", ""),
        (both("0.0000001", ""), 0, 0, "answered", ""),
        (both("86400", ""), 86_400, 1_440, "answered", ""),
        (both("\"27.2\"", ""), 27, 1, "answered", ""),
        (both("59.999999", ""), 59, 1, "answered", ""),
        (both("60.5", "41"), 60, 1, "answered", ""),
        (both("61", "41"), 61, 2, "answered", ""),
        (both("0", "41"), 0, 0, "no_answer", ""),
        (both("", "41"), 41, 1, "answered", ""),
        (both("null", "\"41\""), 41, 1, "answered", ""),
        (both("-1", "41"), 41, 1, "answered", "conversation_duration"),
        (both("", "-1"), 0, 0, "no_answer", "conversation_time"),
    ];
    let longer = |members: &Vec<(&'static str, String)>| {
        // Long enough that nothing else is odd about them.
        let line = [(DURATION, "86400".to_owned()), ("updated_at", "\"2026-03-04T12:00:00Z\"".to_owned())];
        members.iter().cloned().chain(line).collect()
    };
    p.accept_records(cases.iter().map(|(members, ..)| longer(members))).await;
    p.settle().await;
    for ((members, seconds, minutes, outcome, bad), call) in cases.iter().zip(p.calls(cases.len()).await) {
        let columns = ["duration_seconds", "duration_minutes", "outcome", "charged"];
        let expected = [json!(seconds), json!(minutes), json!(outcome), json!(i64::from(*minutes) * 1_000_000)];
        assert_eq!(of(&call, &columns), expected, "{members:?}");
        let flags = if bad.is_empty() { json!([]) } else { json!([format!("bad_field:{bad}")]) };
        assert_eq!(call["flags"], flags, "{members:?}");
    }
}

#[tokio::test]
async fn bad_input_55_lengths_that_contradict_each_other_are_flagged_and_count() {
    let p = Pipeline::start().await;
    let updated = |time: &str| with("updated_at", format!("\"2026-03-03T{time}\""));
    let cases = [
        (with(DURATION, 27), false),
        (with(DURATION, 26), true),
        (with(DURATION, 0), true),
        (with("conversation_duration", 28.9), false),
        (with("conversation_duration", 29), true),
        (updated("10:11:36.193399"), false),
        (updated("10:11:36.193398"), true),
        (updated("10:11:08"), true),
        (updated("09:00:00"), true),
    ];
    p.accept_records(cases.iter().map(|(members, _)| members.clone())).await;
    p.settle().await;
    for ((members, odd), call) in cases.iter().zip(p.calls(cases.len()).await) {
        assert_eq!(flagged(&call, "inconsistent_duration"), *odd, "{members:?}");
        assert_eq!(of(&call, &["outcome", "charged"]), [json!("answered"), json!(1_000_000)], "{members:?}");
    }
}

/// Break tried: the sign not looked at.
#[tokio::test]
async fn bad_input_56_a_price_is_exact_or_absent() {
    let p = Pipeline::start().await;
    let legs = |total: &str, legs: &str| vec![("total_cost", total.to_owned()), ("cost_breakdown", legs.to_owned())];
    let leg = "bad_field:cost_breakdown.llm";
    let cases = [
        (legs("3.54", ""), 35_400, vec![]),
        (legs("\"3.54\"", ""), 35_400, vec![]),
        (legs("3.5400000000000001", ""), 35_400, vec![]),
        (legs("0.1", ""), 1_000, vec![]),
        (legs("0.00005", ""), 1, vec![]),
        (legs("null", ""), 0, vec![]),
        (legs("", ""), 0, vec![]),
        (legs("-3.54", ""), 0, vec!["bad_field:total_cost"]),
        (legs("\"-0.01\"", ""), 0, vec!["bad_field:total_cost"]),
        (legs("1e15", ""), 0, vec!["bad_field:total_cost"]),
        (legs("\"3,54\"", ""), 0, vec!["bad_field:total_cost"]),
        (legs("\"$3.54\"", ""), 0, vec!["bad_field:total_cost"]),
        (legs("{}", ""), 0, vec!["bad_field:total_cost"]),
        (legs("3.54", r#"{"llm":0.06,"network":0.375,"platform":2.0,"synthesizer":1.11}"#), 35_400, vec![]),
        (legs("3.54", r#"{"llm":3.55}"#), 35_400, vec![]),
        (legs("3.54", r#"{"llm":3.5501}"#), 35_400, vec!["cost_mismatch"]),
        (legs("3.54", r#"{"llm":1}"#), 35_400, vec!["cost_mismatch"]),
        (legs("3.54", r#"{"llm":"3.54","network":null}"#), 35_400, vec![]),
        (legs("3.54", r#"{"llm":3.54,"magic":9,"transfer_cost":5}"#), 35_400, vec![]),
        (legs("3.54", r#"{"llm":-1,"network":3.54}"#), 35_400, vec![leg]),
        (legs("3.54", r#"{"llm":3.54,"magic":-9}"#), 35_400, vec!["bad_field:cost_breakdown.*"]),
        (legs("3.54", "[3.54]"), 35_400, vec!["bad_field:cost_breakdown"]),
    ];
    p.accept_records(cases.iter().map(|(members, ..)| members.clone())).await;
    p.settle().await;
    let calls = p.calls(cases.len()).await;
    for ((members, micros, flags), call) in cases.iter().zip(&calls) {
        assert_eq!((&call["cost_micros"], &call["flags"]), (&json!(micros), &json!(flags)), "{members:?}");
        // What the provider asks of the tenant is not what the tenant is charged.
        assert_eq!(call["charged"], 1_000_000, "{members:?}");
    }
    assert_eq!(calls[18]["bolna_metadata"]["cost_legs_micros"]["magic"], 90_000);
    let sum: i64 = cases.iter().map(|(_, micros, _)| micros).sum();
    assert_eq!(p.months().await.3, sum);
}

/// Break tried: the whole charge taken each time instead of the difference.
#[tokio::test]
async fn bad_input_57_a_price_that_settles_moves_the_figures_by_the_difference() {
    let p = Pipeline::start().await;
    let step = |status: &str, time: &str, seconds: &str, cost: &str, settled: &str| {
        let members = [
            ("status", json!(status).to_string()),
            ("updated_at", format!("\"2026-03-03T10:{time}\"")),
            ("conversation_duration", seconds.to_owned()),
            ("total_cost", cost.to_owned()),
            ("billing_settled", settled.to_owned()),
        ];
        record("e-0", &members)
    };
    // Cost, settled, charged credits and entries after each event; the balance is checked with them.
    for (body, cost, settled, charged, charges) in [
        (step("call-disconnected", "12:00", "27.2", "3", "null"), 30_000, json!(null), 0, 0),
        (step("completed", "14:00", "27.2", "2.5", "false"), 25_000, json!(false), 1_000_000, 1),
        (step("completed", "15:00", "27.2", "4.25", "true"), 42_500, json!(true), 1_000_000, 1),
        (step("completed", "14:30", "27.2", "9", "false"), 42_500, json!(true), 1_000_000, 1),
        (step("call-disconnected", "16:00", "27.2", "7", "false"), 42_500, json!(true), 1_000_000, 1),
        (step("completed", "16:00", "61", "4.25", "true"), 42_500, json!(true), 2_000_000, 2),
        (step("completed", "17:00", "59", "4.25", "true"), 42_500, json!(true), 1_000_000, 3),
        (step("completed", "18:00", "59", "0", "true"), 0, json!(true), 1_000_000, 3),
    ] {
        p.accept(&body, body.clone()).await;
        p.settle().await;
        let call = p.call("e-0").await;
        let expected = [json!(cost), settled, json!(charged), json!(charges)];
        assert_eq!(of(&call, &["cost_micros", "billing_settled", "charged", "charges"]), expected, "{body}");
        let (calls, .., month) = p.months().await;
        assert_eq!((calls, month), (1, cost), "{body}");
    }
}

/// Times without a zone are UTC, whatever the database's own. Break tried: such times
/// read as Indian ones.
#[tokio::test]
async fn bad_input_58_times_are_documented_forms_or_absent() {
    let p = Pipeline::start().await;
    let zone = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO %L', current_database(), 'Asia/Kolkata'); END $$";
    sqlx::query(zone).execute(&p.it.db.admin).await.unwrap();
    let at = "2026-03-03T10:11:12";
    let good = [
        format!("\"{at}\""),
        format!("\"{at}Z\""),
        format!("\"{at}.000000\""),
        "\"2026-03-03T15:41:12+05:30\"".to_owned(),
        "\"2026-03-03 10:11:12\"".to_owned(),
        "\"2026-03-03 10:11:12+00\"".to_owned(),
        "\"Tue, 03 Mar 2026 10:11:12 +0000\"".to_owned(),
    ];
    let bad = [
        "1772532672",
        "1772532672000",
        "\"1772532672\"",
        "\"0000-00-00\"",
        "\"0000-00-00T00:00:00\"",
        "\"294277-01-01T00:00:00Z\"",
        "\"2026-03-03T10:11:60Z\"",
        "\"2026-02-30T10:11:12\"",
        "\"Tue, 30 Jun 2026 23:59:60 +0000\"",
        "\"yesterday\"",
        "true",
        "{}",
    ];
    let implausible = ["\"1970-01-01T00:00:00\"", "\"2014-12-31T23:59:59Z\"", "\"9999-12-31T23:59:59Z\""];
    let empty = ["\"\"", "null", ""];
    let times = |text: &str| {
        let line = [("conversation_duration", "5".to_owned()), (DURATION, "5".to_owned())];
        let times = ["created_at", "updated_at", "initiated_at"].map(|key| (key, text.to_owned()));
        line.into_iter().chain(times).collect::<Vec<_>>()
    };
    let bad_ones = bad.into_iter().chain(implausible).chain(empty);
    let all: Vec<String> = good.iter().cloned().chain(bad_ones.map(str::to_owned)).collect();
    p.accept_records(all.iter().map(|text| times(text))).await;
    p.settle().await;
    let calls = p.calls(all.len()).await;
    for (text, call) in all.iter().zip(&calls).take(good.len()) {
        let started: chrono::DateTime<chrono::Utc> = call["started_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(started.to_rfc3339(), format!("{at}+00:00"), "{text}");
    }
    for (text, call) in all.iter().zip(&calls).skip(good.len()) {
        assert_eq!(call["started_at"], call["created_at"], "the time of receipt: {text}");
        assert_eq!(
            flagged(call, "bad_field:updated_at"),
            !empty.contains(&&text[..]) && !text.contains("9999"),
            "{text}"
        );
        let (mark, is_marked) = match &text[..] {
            text if bad.contains(&text) => ("bad_field", true),
            text => ("implausible", implausible.contains(&text)),
        };
        for key in ["created_at", "initiated_at"] {
            assert_eq!(flagged(call, &format!("{mark}:{key}")), is_marked, "{text} {}", call["flags"]);
        }
    }
    assert_eq!(
        p.it.count(
            "SELECT count(DISTINCT bucket_start) FROM user_analytics WHERE grain = 'hour' AND total_calls = 7
        AND bucket_start = '2026-03-03T10:00Z'"
        )
        .await,
        1
    );
}

/// Break tried: the sender's time believed however far ahead.
#[tokio::test]
async fn bad_input_59_a_clock_ahead_blocks_nothing() {
    let p = Pipeline::start().await;
    let now: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT now()").fetch_one(&p.it.db.admin).await.unwrap();
    let step = |id: usize, updated: chrono::DateTime<chrono::Utc>, cost: &str| {
        let members = [("updated_at", json!(updated).to_string()), ("total_cost", cost.to_owned())];
        record(&format!("e-{id}"), &members)
    };
    let ahead = [chrono::TimeDelta::hours(1), chrono::TimeDelta::days(3_653), chrono::TimeDelta::days(2_900_000)];
    for (id, ahead) in ahead.into_iter().enumerate() {
        p.accept("ahead", step(id, now + ahead, "9")).await;
        // Five minutes is what a clock may be ahead; what a right clock says after that is later.
        p.accept("right", step(id, now + chrono::TimeDelta::minutes(6), "2")).await;
    }
    p.process().await;
    sqlx::query(
        "UPDATE tally.call_events SET facts = jsonb_set(facts, '{received_at}', to_jsonb(received_at - interval '10 minutes'))
         WHERE facts->'facts'->>'total_cost_micros' = '90000'",
    )
    .execute(&p.it.db.admin)
    .await
    .unwrap();
    for id in 0..ahead.len() {
        p.accept("touched", record(&format!("e-{id}"), &with("status", "\"ringing\""))).await;
    }
    p.settle().await;
    for call in p.calls(ahead.len()).await {
        assert_eq!(of(&call, &["cost_micros", "outcome"]), [json!(20_000), json!("answered")]);
        assert!(!call["completed_at"].as_str().unwrap().starts_with("2036"), "{}", call["completed_at"]);
    }
}

#[tokio::test]
async fn bad_input_60_a_call_of_a_day_that_was_closed_is_counted_there() {
    let p = Pipeline::start().await;
    p.accept("the day's own", record("e-0", &[])).await;
    p.settle().await;
    let days =
        "SELECT count(*) FROM user_analytics WHERE grain = 'day' AND total_calls = 2 AND bucket_start = '2026-03-03Z'";
    assert_eq!(p.it.count(days).await, 0);
    p.accept("90 days late", record("e-1", &[])).await;
    // Of a day that nobody has heard of, and one that is further back still.
    for (id, day) in [("e-2", "2025-12-01"), ("e-3", "2016-02-29")] {
        let times = ["created_at", "initiated_at"].map(|key| (key, format!("\"{day}T23:59:59.999999\"")));
        p.accept(id, record(id, &times)).await;
    }
    p.settle().await;
    assert_eq!(p.it.count(days).await, 1);
    let others = "SELECT count(*) FROM user_analytics WHERE grain = 'day' AND total_calls = 1 AND bucket_start IN ('2025-12-01Z', '2016-02-29Z')";
    assert_eq!(p.it.count(others).await, 2);
}
