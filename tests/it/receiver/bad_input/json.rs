//! Rows 36 to 48: bodies that are no JSON, or JSON of a kind that nobody expects.

use serde_json::{Value, json};
use tallyline::receiver::MAX_REFUSED_PER_TENANT;

use super::pipeline::{AGENT, Pipeline, RICH, flagged, record, with};
use crate::receiver::support::answer;

/// A small record with more text in front of its last brace.
fn small(more: &str) -> String {
    format!(r#"{{"id":"e-0","agent_id":"{AGENT}","status":"completed","conversation_duration":5{more}}}"#)
}

#[tokio::test]
async fn bad_input_36_what_is_no_object_is_refused() {
    let p = Pipeline::start().await;
    let object = "not_an_object";
    p.refuse(&[
        (b"", "not_json"),
        (b" ", "not_json"),
        (b"\n\t\r\n", "not_json"),
        (b"null", object),
        (b"[]", object),
        (b"[{\"id\":\"e-0\"}]", object),
        (b"\"x\"", object),
        (b"42", object),
        (b"true", object),
    ])
    .await;
    p.settle().await;
}

/// Sixteen at a time: what is kept of refused bodies is trimmed meanwhile, and no
/// sender may be told that we are away because of that.
#[tokio::test]
async fn bad_input_37_a_record_cut_at_any_byte_is_refused() {
    let p = Pipeline::start().await;
    let whole = RICH.trim_end().as_bytes();
    let refused = (400, r#"{"error":"not_json"}"#.to_owned());
    let answers = p.send_many((0..whole.len()).map(|bytes| whole[..bytes].to_vec())).await;
    let others: Vec<_> = answers.iter().filter(|one| **one != refused).collect();
    assert!(others.is_empty(), "{others:?} of {}: {}", answers.len(), p.log());
    assert_eq!(p.answered("bolna", "rejected"), whole.len() as u64);
    // Those that were trimmed at the same time may have left each other a few too many.
    p.bolna("[]").await;
    assert_eq!(p.it.stored().await, (0, 0, MAX_REFUSED_PER_TENANT));

    p.accept("the whole", whole).await;
    p.settle().await;
    assert_eq!(p.months().await, (1, 1, 27, 35_400));
}

#[tokio::test]
async fn bad_input_38_what_only_looks_like_json_is_refused() {
    let p = Pipeline::start().await;
    let good = small("");
    let bodies = [
        format!("{good}x"),
        format!("{good}\0"),
        format!("{good}{good}"),
        format!("{good}\n{good}"),
        format!("\u{feff}{good}"),
        format!("// a record\n{good}"),
        small("/* a comment */"),
        good.replace('"', "'"),
        small(","),
        small(r#","a":[1,]"#),
        small(r#","a":{"b":1,}"#),
        small(r#","a":01"#),
        small(r#","a":+1"#),
        small(r#","a":.5"#),
        small(r#","a":undefined"#),
        small(r#","a":True"#),
        small(",\"a\":\"a\ttab\""),
        format!("callback({good})"),
    ];
    p.refuse(&bodies.iter().map(|body| (body.as_bytes(), "not_json")).collect::<Vec<_>>()).await;
    // White space around it is part of JSON.
    p.accept("blanks", format!(" \r\n\t{good}\n")).await;
    p.settle().await;
    assert_eq!(p.call("e-0").await["outcome"], "answered");
}

#[tokio::test]
async fn bad_input_39_what_is_no_utf8_is_refused_and_kept_as_it_came() {
    let p = Pipeline::start().await;
    let holding = |bytes: &[u8]| {
        let (start, end) = (small(r#","transcript":"a"#), r#""}"#);
        [&start.as_bytes()[..start.len() - 1], bytes, end.as_bytes()].concat()
    };
    let wide = |bytes: fn(u16) -> [u8; 2], mark: &[u8]| {
        let units = small("").encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        [mark, &units].concat()
    };
    let bodies = [
        holding(&[0xff]),
        holding(&[0xfe]),
        holding(&[0x80]),
        holding(&[0xc0, 0x80]),
        holding(&[0xe0, 0x80, 0xaf]),
        holding(&[0xed, 0xa0, 0x80]),
        holding(&[0xf0, 0x9f, 0x98]),
        holding(&[0xf4, 0x90, 0x80, 0x80]),
        wide(u16::to_be_bytes, &[]),
        wide(u16::to_le_bytes, &[]),
        wide(u16::to_be_bytes, &[0xfe, 0xff]),
        wide(u16::to_le_bytes, &[0xff, 0xfe]),
    ];
    p.refuse(&bodies.iter().map(|body| (&body[..], "not_json")).collect::<Vec<_>>()).await;
    p.accept("a whole emoji", holding("😀".as_bytes())).await;
    p.settle().await;
    assert_eq!(p.call("e-0").await["transcript"], "a😀");
}

#[tokio::test]
async fn bad_input_40_half_a_surrogate_pair_reaches_no_column() {
    let p = Pipeline::start().await;
    let bodies = [
        small(r#","transcript":"\ud800""#),
        small(r#","transcript":"\udc00""#),
        small(r#","transcript":"\udc00\ud800""#),
        small(r#","transcript":"\ud83d\u0041""#),
        small(r#","\ud800":1"#),
        small(r#","extracted_data":{"a":["\ud800"]}"#),
        small(r#","extracted_data":{"\udfff":1}"#),
        r#"{"id":"\ud800"}"#.to_owned(),
    ];
    p.refuse(&bodies.iter().map(|body| (body.as_bytes(), "not_json")).collect::<Vec<_>>()).await;
    // JSON in a string is not looked at by the door; its halves reach nothing either.
    let embedded = r#"{"recipient_data":"{\"customer_name\":\"\\ud800\"}"}"#;
    let members = vec![
        ("transcript", r#""\ud83d\ude00""#.to_owned()),
        ("context_details", embedded.to_owned()),
        ("agent_extraction", r#""{\"a\":\"\\ud800\"}""#.to_owned()),
    ];
    p.accept("a whole pair", record("e-0", &members)).await;
    p.settle().await;
    let call = p.call("e-0").await;
    assert_eq!((&call["transcript"], &call["caller_name"]), (&json!("😀"), &Value::Null));
}

#[tokio::test]
async fn bad_input_41_a_nul_is_dropped_and_every_row_can_be_read() {
    let p = Pipeline::start().await;
    let nul = |text: &str| format!("\"{}\"", text.replace('0', "\\u0000"));
    p.accept_records([
        with("transcript", nul("assistant: H0i")),
        with("status", nul("comp0leted")),
        with("k\0ey", 1),
        with("extracted_data", format!("{{{}:[{}]}}", nul("a0b"), nul("0"))),
        with("telephony_data.hangup_reason", nul("0")),
        with("context_details", format!(r#"{{"recipient_data":{{"name":{}}}}}"#, nul("As0ha"))),
        with("recording_url", nul("https://0r")),
        with("cost_breakdown", format!("{{{}:1}}", nul("l0lm"))),
        with("usage_breakdown", format!("{{\"llm_model\":{{{}:{{\"input\":1}}}}}}", nul("m0"))),
        with("telephony_data.provider_call_id", nul("C0A")),
    ])
    .await;
    for id in [r#""e-\u0000""#, r#""\u0000""#] {
        let (status, body) = p.bolna(record("x", &with("id", id))).await;
        assert_eq!((status, body.as_str()), (400, r#"{"error":"bad_id"}"#), "{id}");
    }
    p.settle().await;
    let calls = p.calls(10).await;
    assert!(calls.iter().all(|call| call["outcome"] == "answered" && call["charged"] == 1_000_000));
    assert_eq!(calls[0]["transcript"], "assistant: Hi");
    assert_eq!(calls[1]["call_lifecycle_status"], "completed");
    assert_eq!(calls[3]["bolna_metadata"]["extracted_data"], json!({ "ab": [""] }));
    assert_eq!(calls[4]["hangup_reason"], Value::Null);
    assert_eq!(calls[5]["caller_name"], "Asha");
    assert_eq!(calls[6]["recording_url"], "https://r");
    assert!(flagged(&calls[9], "bad_field:telephony_data.provider_call_id"));
    // The raw bytes are what was sent.
    assert_eq!(p.it.count(r"SELECT count(*) FROM tally.inbox WHERE position('\\u0000'::bytea IN body) > 0").await, 10);
}

#[tokio::test]
async fn bad_input_42_every_script_is_kept_and_cut_between_characters() {
    let p = Pipeline::start().await;
    let names = [
        "😀👩‍👩‍👧".to_owned(),
        "\u{202e}abc\u{202c}".to_owned(),
        "نورا \u{200f}".to_owned(),
        "e\u{301}\u{327}".to_owned(),
        "𠀀𪚥".to_owned(),
        "\u{200b}\u{2028}x\u{fffd}".to_owned(),
        "𠀀".repeat(300),
        "e\u{301}".repeat(200),
    ];
    let details = |name: &String| json!({ "recipient_data": { "customer_name": name } });
    p.accept_records(names.iter().enumerate().map(|(n, name)| {
        let number = format!("\"+1202555{n:04}\"");
        let (transcript, data) = (json!(format!("user:  {name}\n")), json!({ name: name }));
        vec![
            ("context_details", details(name).to_string()),
            ("transcript", transcript.to_string()),
            ("extracted_data", data.to_string()),
            ("telephony_data.to_number", number),
            ("telephony_data.hangup_by", json!(name).to_string()),
        ]
    }))
    .await;
    p.settle().await;
    for (name, call) in names.iter().zip(p.calls(names.len()).await) {
        let kept: String = name.chars().take(255).collect();
        assert_eq!((&call["caller_name"], &call["contact"]["name"]), (&json!(kept), &json!(kept)));
        assert_eq!(call["transcript"], json!(format!("user:  {name}\n")));
        assert_eq!(call["bolna_metadata"]["extracted_data"], json!({ name: name }));
        assert_eq!(call["hangup_by"], json!(name.chars().take(64).collect::<String>()));
        let is_cut = flagged(&call, "truncated:telephony_data.hangup_by");
        assert_eq!(is_cut, name.chars().count() > 64, "{name:.20}");
    }
}

/// Of the two answers that would do this is the plain one: nobody has to know which
/// of the two counts.
/// Break tried: the last one counts, which accepts them all.
#[tokio::test]
async fn bad_input_43_a_key_that_is_given_twice_is_refused() {
    let p = Pipeline::start().await;
    let bodies = [
        small(r#","id":"e-0""#),
        small(r#","id":"e-1""#),
        small(r#","status":"failed""#),
        small(r#","st\u0061tus":"failed""#),
        small(r#","total_cost":1,"total_cost":2"#),
        small(r#","total_cost":1,"total_cost":1"#),
        small(r#","a":1,"b":2,"a":1"#),
    ];
    p.refuse(&bodies.iter().map(|body| (body.as_bytes(), "duplicate_key")).collect::<Vec<_>>()).await;
    let named: Vec<String> = sqlx::query_scalar("SELECT DISTINCT detail FROM tally.quarantine ORDER BY 1")
        .fetch_all(&p.it.db.admin)
        .await
        .unwrap();
    let said = |key: &str| format!("the key {key} occurs twice");
    assert_eq!(named, ["id", "other", "status", "total_cost"].map(said));

    // Deeper down the last one counts, for everything that is made of the event.
    let twice = r#"{"duration":"1","duration":"28","call_type":"inbound","call_type":"outbound"}"#;
    let members = vec![("telephony_data", twice.to_owned()), ("extracted_data", r#"{"a":1,"a":2}"#.to_owned())];
    p.accept("nested", record("e-0", &members)).await;
    p.settle().await;
    let call = p.call("e-0").await;
    assert_eq!((&call["lead_type"], &call["facts"][0]["facts"]["telephony_seconds"]), (&json!("outbound"), &json!(28)));
    assert_eq!(call["bolna_metadata"]["extracted_data"], json!({ "a": 2 }));
}

#[tokio::test]
async fn bad_input_44_nesting_ends_at_127() {
    let p = Pipeline::start().await;
    let arrays = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    // The record itself is one level.
    p.accept_records([
        with("free", arrays(126)),
        with("extracted_data", arrays(126)),
        with("extracted_data", objects(126)),
        with("extracted_data", arrays(100)),
        with("telephony_data.free", objects(125)),
        with("transcript", arrays(126)),
        with("context_details", format!("{{\"recipient_data\":{}}}", json!(objects(100_000)))),
    ])
    .await;
    let too_deep: Vec<String> = [127, 100_000]
        .into_iter()
        .flat_map(|levels| {
            let members = [with("free", arrays(levels)), with("extracted_data", objects(levels))];
            let whole = members.map(|members| record("e-9", &members)).into_iter();
            whole.chain([format!("{{\"id\":\"e-9\",\"a\":{}", "[".repeat(levels))])
        })
        .collect();
    for body in too_deep {
        assert_eq!(p.bolna(body).await, (400, r#"{"error":"not_json"}"#.to_owned()));
    }
    p.settle().await;
    let calls = p.calls(7).await;
    assert!(calls.iter().all(|call| call["outcome"] == "answered"));
    // A stored event lies a few levels deeper, and must be read back.
    for (at, deep) in [(1, true), (2, true), (3, false)] {
        assert_eq!(flagged(&calls[at], "too_deep:extracted_data"), deep, "{at}");
        assert_eq!(calls[at]["bolna_metadata"]["extracted_data"].is_null(), deep, "{at}");
    }
}

#[tokio::test]
async fn bad_input_45_large_and_many_keys_take_bounded_time() {
    let p = Pipeline::start().await;
    let keys = |count: usize, name: &dyn Fn(usize) -> String| {
        (0..count).map(|n| format!("\"{}\":1", name(n))).collect::<Vec<_>>().join(",")
    };
    let mebi = "k".repeat(1_000_000);
    let digits = "7".repeat(1_000_000);
    // One length, one end, and what Java and old Pythons hashed alike.
    let alike = keys(60_000, &|n| format!("{n:016b}").replace('0', "Aa").replace('1', "BB"));
    let bodies = [
        record("e-0", &[]).replacen('{', &format!("{{{},", keys(150_000, &|n| format!("{n:x}"))), 1),
        record("e-1", &with("extracted_data", format!("{{{}}}", keys(150_000, &|n| format!("{n:x}"))))),
        record("e-2", &with("extracted_data", format!("{{{}}}", &alike[..1_500_000].rsplit_once(',').unwrap().0))),
        record("e-3", &with(&mebi, 1)),
        record("e-4", &with("extracted_data", json!({ &mebi: 1 }))),
        record("e-5", &with("total_cost", format!("0.{digits}"))),
        record("e-6", &with("conversation_duration", format!("1e{}", &digits[..7]))),
        record("e-7", &with("cost_breakdown", format!("{{{}}}", keys(100_000, &|n| format!("leg{n}"))))),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        if number == 6 {
            assert_eq!(p.bolna(body).await.0, 400, "no such number");
        } else {
            p.accept(&number.to_string(), body).await;
        }
    }
    for (what, body, status) in [
        (
            "200 000 keys",
            record("e-8", &[]).replacen('{', &format!("{{{},", keys(200_000, &|n| format!("key{n}"))), 1),
            413,
        ),
        ("an integer of 1 MB", record("e-8", &with("total_cost", &digits)), 400),
        ("an integer of 1 MB that nobody reads", record("e-8", &with("x", &digits)), 400),
    ] {
        assert_eq!(p.bolna(body).await.0, status, "{what}");
    }
    p.settle().await;
    for number in [0, 1, 2, 3, 4, 5, 7] {
        let call = p.call(&format!("e-{number}")).await;
        assert_eq!((&call["outcome"], &call["duration_seconds"]), (&json!("answered"), &json!(27)), "{number}");
    }
    assert_eq!(p.call("e-1").await["bolna_metadata"]["extracted_data"].as_object().unwrap().len(), 150_000);
    assert_eq!(p.call("e-5").await["cost_micros"], 7_778, "rounded half up at the end, whatever the length");
    let legs = p.call("e-7").await;
    assert_eq!(legs["bolna_metadata"]["cost_legs_micros"].as_object().unwrap().len(), 16);
    assert!(flagged(&legs, "truncated:cost_breakdown"));
}

#[tokio::test]
async fn bad_input_46_numbers_beyond_all_bounds() {
    let p = Pipeline::start().await;
    let refused: Vec<String> = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"]
        .into_iter()
        .flat_map(|number| ["total_cost", "conversation_duration", "free"].map(|key| record("e-9", &with(key, number))))
        .collect();
    p.refuse(&refused.iter().map(|body| (body.as_bytes(), "not_json")).collect::<Vec<_>>()).await;

    // Cost and duration as sent, what is kept of them, and whether that is flagged.
    let cases = [
        ("total_cost", "1e308", json!(0), true),
        ("total_cost", "-0", json!(0), false),
        ("total_cost", "-0.0", json!(0), false),
        ("total_cost", "0.1e-400", json!(0), false),
        ("total_cost", "1E+2", json!(1_000_000), false),
        ("conversation_duration", "1e308", json!(0), true),
        ("conversation_duration", "-0", json!(0), false),
        ("conversation_duration", "0.1e-400", json!(0), false),
        ("conversation_duration", "6e1", json!(60), false),
    ];
    p.accept_records(cases.iter().map(|(key, number, ..)| with(key, number))).await;
    p.settle().await;
    for ((key, number, kept, is_bad), call) in cases.iter().zip(p.calls(cases.len()).await) {
        let column = if *key == "total_cost" { "cost_micros" } else { "duration_seconds" };
        assert_eq!(&call[column], kept, "{key} {number}");
        assert_eq!(flagged(&call, &format!("bad_field:{key}")), *is_bad, "{key} {number}");
        let talked = *key == "total_cost" || matches!(*number, "0.1e-400" | "6e1");
        assert_eq!(call["outcome"] == "answered", talked, "{key} {number}");
    }
}

/// The table wants what is out of range in quarantine. The receiver looks at syntax
/// and id only (section 10 of the design): a bad field is empty and flagged, and the
/// rest of the event counts.
#[tokio::test]
async fn bad_input_47_integers_of_thirty_digits_are_exact_or_absent() {
    let p = Pipeline::start().await;
    let digits = "123456789012345678901234567890";
    p.accept("the id", record("", &with("id", digits))).await;
    let keys = ["total_cost", "retry_count", "conversation_duration", "telephony_data.duration", "created_at"];
    p.accept_records(keys.map(|key| with(key, digits))).await;
    let free = format!(r#"{{"account":{digits},"a":[1.5,-7]}}"#);
    p.accept("free keys", record("e-free", &with("extracted_data", free))).await;
    p.settle().await;
    let kept = json!({ "account": digits, "a": [1.5, -7] });
    assert_eq!(p.call("e-free").await["bolna_metadata"]["extracted_data"], kept, "as text, since no number holds it");
    assert_eq!(p.call(digits).await["outcome"], "answered");
    for (number, key) in keys.into_iter().enumerate() {
        let call = p.call(&format!("e-{number}")).await;
        assert!(flagged(&call, &format!("bad_field:{key}")), "{key}: {}", call["flags"]);
        assert_eq!(call["attempt"], 0);
        assert!(!call["facts"][0].to_string().contains("e29"), "{key}");
    }
    assert_eq!(p.call("e-0").await["cost_micros"], 0);
    assert_eq!(p.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn bad_input_48_what_others_would_execute_is_only_text() {
    let p = Pipeline::start().await;
    let texts = [
        "'; DROP TABLE calls; --",
        "<script>alert(1)</script>",
        "{{7*7}}${7*7}#{7*7}",
        "$where",
        "%s%n%x",
        "\\\" OR 1=1 --",
        "=cmd|'/c calc'!A1",
        "\u{1b}[2J\r\nlevel=error",
        "$1",
    ];
    p.accept_records(texts.iter().enumerate().map(|(n, text)| {
        let text = json!(text);
        vec![
            ("__proto__", json!({ "status": "failed", "polluted": true }).to_string()),
            ("constructor", json!({ "prototype": { "status": "failed" } }).to_string()),
            ("", "1".to_owned()),
            ("$where", text.to_string()),
            ("transcript", text.to_string()),
            ("summary", text.to_string()),
            ("error_message", text.to_string()),
            ("extracted_data", json!({ "__proto__": text, "$where": { "": text } }).to_string()),
            ("context_details", json!({ "recipient_data": { "customer_name": text } }).to_string()),
            ("telephony_data.to_number", format!("\"+1202555{n:04}\"")),
            ("batch_id", text.to_string()),
        ]
    }))
    .await;
    p.settle().await;
    for (text, call) in texts.iter().zip(p.calls(texts.len()).await) {
        let text = json!(text);
        let kept = [&call["transcript"], &call["summary"], &call["caller_name"], &call["contact"]["name"]];
        assert_eq!(kept, [&text; 4]);
        assert_eq!(call["bolna_metadata"]["extracted_data"], json!({ "__proto__": text, "$where": { "": text } }));
        assert_eq!((&call["outcome"], &call["flags"]), (&json!("answered"), &json!([])), "{text}");
    }
    let (status, _) = answer(p.request(record("e-x", &with("summary", "\"\"")))).await;
    assert_eq!(status, 200, "the tables are still there");
}
