//! What holds of every parser whatever the bytes, one function each. The programs in
//! `fuzz_targets/` call them with what libFuzzer finds, the tests of Tallyline with the
//! seeds and with changed copies of them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tallyline_model::{
    Event, Provider, Reject, cents_text_to_micros, credits_text_to_micros, merge, normalise_e164, parse_analysis,
    parse_bolna, parse_instant, parse_twilio, usable_email, usable_id,
};
use tallyline_queue::Cron;
use tallyline_secrets::signature::{MatchedKey, standard, twilio};

/// What is asked of some bytes; it panics where they show that something does not hold.
pub type Target = fn(&[u8]);

/// Each target by its name; `seeds/` has a folder for each.
pub const ALL: [(&str, Target); 9] = [
    ("bolna_body", bolna_body),
    ("twilio_form", twilio_form),
    ("analysis_body", analysis_body),
    ("twilio_signature", twilio_signature),
    ("standard_webhook", standard_webhook),
    ("cron_text", cron_text),
    ("time_stamp", time_stamp),
    ("money_text", money_text),
    ("loose_text", loose_text),
];

/// The second at which everything here is received.
const RECEIVED: &str = "2026-03-03T12:00:00Z";

fn received() -> DateTime<Utc> {
    parse_instant(RECEIVED).unwrap_or_default()
}

/// What the door lets in is an event, or the webhook of something else.
pub fn bolna_body(body: &[u8]) {
    let parsed = parse_bolna(body, received(), [1; 32]);
    match (usable_id(Provider::Bolna, body), parsed) {
        (Ok(()), Ok(event)) => event_holds(&event),
        (Ok(()), Err(reject)) => assert_eq!(reject, Reject::NotACallStatus),
        (Err(door), Err(reject)) => assert_eq!(door, reject),
        (Err(door), Ok(_)) => panic!("an event of what the door refuses: {door}"),
    }
}

pub fn twilio_form(body: &[u8]) {
    let parsed = parse_twilio(body, received(), [1; 32]);
    match (usable_id(Provider::Twilio, body), parsed) {
        (Ok(()), Ok(event)) => event_holds(&event),
        (Ok(()), Err(reject)) => assert!(matches!(reject, Reject::NotACallStatus | Reject::BadSid)),
        (Err(door), Err(reject)) => assert_eq!(door, reject),
        (Err(door), Ok(_)) => panic!("an event of what the door refuses: {door}"),
    }
}

pub fn analysis_body(body: &[u8]) {
    let parsed = parse_analysis(body, received(), [1; 32]);
    match (usable_id(Provider::Analysis, body), parsed) {
        (Ok(()), Ok(event)) => event_holds(&event),
        (Ok(()), Err(reject)) => assert!(matches!(reject, Reject::NotIndividual | Reject::NoAnalysis)),
        (Err(door), Err(reject)) => assert_eq!(door, reject),
        (Err(door), Ok(_)) => panic!("an event of what the door refuses: {door}"),
    }
}

/// An event fits the columns that it is written to, reads back as it was, and counts
/// once however often it comes.
pub fn event_holds(event: &Event) {
    let stored = serde_json::to_string(event).unwrap_or_default();
    // It is written in no other way; read again only where these letters may be something else.
    let may_hold = stored.contains("\\u0000");
    assert!(!may_hold || !holds_nul(&serde_json::from_str(&stored).unwrap_or_default()), "a NUL is kept");
    let read: Event = serde_json::from_str(&stored).unwrap_or_else(|error| panic!("not to be read back: {error}"));
    assert_eq!(&read, event);
    let fits = |text: &Option<String>, max: usize| text.as_ref().is_none_or(|text| text.chars().count() <= max);
    let facts = &event.facts;
    assert!(event.status.chars().count() <= 64 && (0..=3).contains(&event.attempt));
    assert!(fits(&event.execution_id, 128) && fits(&event.call_sid, 128) && fits(&event.agent_ref, 128));
    assert!(fits(&facts.customer_number, 50) && fits(&facts.hangup_by, 64) && fits(&facts.customer_name, 255));
    let Some(state) = merge([event]) else { return };
    assert_eq!(merge([event, event]).as_ref(), Some(&state), "twice is not once");
    assert!((0..=86_400).contains(&state.duration_seconds) && (0..=1_000_000_000_000).contains(&state.cost_micros));
    assert!(state.started_at.timestamp() >= 1_420_070_400, "started before 2015");
    assert!(state.started_at <= event.received_at + TimeDelta::days(1));
}

/// What no text column and no `jsonb` takes. A backslash and `u0000` are only letters.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// A line with a signature, a line with an address, and a form.
pub fn twilio_signature(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (signature, url, form) = (next(), String::from_utf8_lossy(next()).into_owned(), next());
    let keys = [b"test_token_0123456789abcdef012345".to_vec(), b"the one before".to_vec()];
    for content in [twilio::Content::None, twilio::Content::Form(form), twilio::Content::Hashed(form)] {
        let _ = twilio::verify(&keys, &url, content, signature);
    }
    // Fragments and users are not signed.
    if !url.contains(['#', '@']) {
        for (key, matched) in keys.iter().zip([MatchedKey::Current, MatchedKey::Previous]) {
            let signed = twilio::sign(key, &url, twilio::Content::Form(form));
            assert_eq!(twilio::verify(&keys, &url, twilio::Content::Form(form), signed.as_bytes()), Some(matched));
            let other = twilio::sign(b"somebody's", &url, twilio::Content::Form(form));
            assert_eq!(twilio::verify(&keys, &url, twilio::Content::Form(form), other.as_bytes()), None);
        }
    }
}

/// Lines with a secret, an id, a time and signatures; then the body.
pub fn standard_webhook(bytes: &[u8]) {
    let mut parts = bytes.splitn(5, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let [secret, id, timestamp, signatures] = [(); 4].map(|()| String::from_utf8_lossy(next()).into_owned());
    let body = next();
    let key = standard::key_of_secret(&secret);
    if let Some(key) = &key {
        assert_eq!(standard::key_of_secret(&standard::secret_of_key(key)).as_ref(), Some(key));
    }
    let keys = [key.unwrap_or_else(|| vec![1])];
    let headers = standard::Headers { id: &id, timestamp: &timestamp, signatures: &signatures };
    for now in [i64::MIN, -1, 0, 1_772_532_727, i64::MAX] {
        let _ = standard::verify(&keys, headers, body, now);
    }
    if let Ok(time) = timestamp.parse::<u32>() {
        let (time, signed) = (i64::from(time), standard::sign(&keys[0], &id, i64::from(time), body));
        let timestamp = time.to_string();
        let headers = standard::Headers { id: &id, timestamp: &timestamp, signatures: &signed };
        let is_usable = !id.is_empty() && !id.contains('.');
        for (now, is_near) in [(time, true), (time + 300, true), (time - 301, false), (time + 301, false)] {
            assert_eq!(standard::verify(&keys, headers, body, now).is_some(), is_usable && is_near);
        }
    }
}

/// A line with an expression and a line with a zone: fires lie in order, after the
/// instant that was asked for, on whole minutes.
pub fn cron_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (expression, zone) = text.split_once('\n').unwrap_or((&text, "UTC"));
    for zone in [zone, "UTC", "Australia/Lord_Howe"] {
        let Ok(cron) = Cron::parse(expression, zone) else { continue };
        let mut last = received();
        for _ in 0..4 {
            let Some(next) = cron.next_after(last) else { break };
            assert!(next > last, "{next} after {last}");
            assert_eq!(next.timestamp() % 60, 0, "{next}");
            last = next;
        }
    }
}

/// What is read as a time is one that everybody can write down, to the microsecond.
pub fn time_stamp(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(instant) = parse_instant(&text) else { return };
    let shown = instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    assert_eq!(parse_instant(&shown), Some(instant), "{shown}");
    assert_eq!(instant.timestamp_subsec_nanos() % 1_000, 0);
}

/// What is read as money is near what everybody else reads, and no trailing zero
/// changes it.
pub fn money_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(micros) = cents_text_to_micros(&text) {
        assert!((0..=1_000_000_000_000).contains(&micros));
        let near = text.parse::<f64>().unwrap_or(f64::NAN) * 10_000.0;
        assert!((near - micros as f64).abs() <= 0.51 + near.abs() * 1e-12, "{text}: {micros}");
        if text.contains('.') && !text.contains(['e', 'E']) {
            assert_eq!(cents_text_to_micros(&format!("{text}0")), Some(micros), "{text}");
        }
    }
    if let Some(micros) = credits_text_to_micros(&text) {
        let near = text.parse::<f64>().unwrap_or(f64::NAN) * 1_000_000.0;
        assert!((near - micros as f64).abs() <= 0.01 + near.abs() * 1e-12, "{text}: {micros}");
        assert!(micros.abs() <= 1_000_000_000_000_000);
    }
}

/// JSON in a string, telephone numbers, addresses.
pub fn loose_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(value) = tallyline_model::loose::read_loose(&text) {
        assert!(value.is_object() || value.is_array());
        // Its numbers are binary fractions: they may differ in the last place.
        assert!(tallyline_model::loose::read_loose(&value.to_string()).is_some());
    }
    for code in [None, Some("91"), Some(&*text)] {
        if let Some(number) = normalise_e164(&text, code) {
            assert!((8..=16).contains(&number.len()) && number[1..].bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(normalise_e164(&number, None), Some(number));
        }
    }
    if let Some(address) = usable_email(&text) {
        assert_eq!(usable_email(address), Some(address));
    }
}
