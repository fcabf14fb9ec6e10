//! The vectors of the Standard Webhooks libraries and their checklist.

use super::*;

const VECTORS: [(&str, &str, i64, &str, &str); 3] = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1_649_367_553,
        r#"{"email":"test@example.com","username":"test_user"}"#,
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
    (
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "msg_demo_0001",
        1_772_532_727,
        r#"{"type":"call.ingested","timestamp":"2026-03-03T10:12:07Z","data":{"execution_id":"00000000-0000-4000-8000-000000000001"}}"#,
        "v1,mdmwqFMDBGTZG7spnghvJ2Ua8b1Z+lqE+JwyxjthxSA=",
    ),
];

/// Verifies the first vector with parts of it replaced.
fn first(id: &str, timestamp: &str, signatures: &str, body: &str, now: i64) -> bool {
    let key = key_of_secret(VECTORS[0].0).unwrap();
    verify(&[key], Headers { id, timestamp, signatures }, body.as_bytes(), now).is_some()
}

#[test]
fn signs_and_verifies_the_published_vectors() {
    for (secret, id, time, body, signature) in VECTORS {
        let key = key_of_secret(secret).unwrap();
        assert_eq!(sign(&key, id, time, body.as_bytes()), signature);
        let headers = Headers { id, timestamp: &time.to_string(), signatures: signature };
        assert_eq!(verify(&[key], headers, body.as_bytes(), time), Some(MatchedKey::Current));
    }
}

#[test]
fn the_window_is_five_minutes_to_either_side() {
    let (_, id, time, body, signature) = VECTORS[0];
    for (now, good) in [(time - 300, true), (time + 300, true), (time - 301, false), (time + 301, false)] {
        assert_eq!(first(id, &time.to_string(), signature, body, now), good, "{}", now - time);
    }
    assert!(!first(id, &time.to_string(), signature, body, i64::MIN));
    assert!(!first(id, &time.to_string(), signature, body, i64::MAX));
}

#[test]
fn a_timestamp_is_digits_and_nothing_else() {
    let (secret, id, _, body, _) = VECTORS[0];
    let key = key_of_secret(secret).unwrap();
    for text in ["", "-1", "+1", "1e9", " 1", "1 ", "0x1", "-9223372036854775808", "99999999999999999999"] {
        // Signed over the very text, so that only its form can be the reason.
        let mac = mac(&key, id, text, body.as_bytes()).unwrap();
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        for now in [0, 1, -1, 1_000_000_000, i64::MIN, i64::MAX] {
            assert!(!first(id, text, &signature, body, now), "{text:?} at {now}");
        }
    }
}

#[test]
fn one_right_signature_among_wrong_ones_is_enough() {
    let (_, id, time, body, good) = VECTORS[0];
    let wrong = VECTORS[1].4;
    let now = time.to_string();
    for (signatures, expected) in [
        (format!("{wrong} {good}"), true),
        (format!("{wrong} v2,xxx {good} v1a,yyy"), true),
        (good.replace("v1,", "v2,"), false),
        (good.replace("v1,", ""), false),
        (good[..11].to_owned(), false),
        ("v1,".to_owned(), false),
        (String::new(), false),
        (wrong.to_owned(), false),
    ] {
        assert_eq!(first(id, &now, &signatures, body, time), expected, "{signatures}");
    }
}

#[test]
fn the_id_the_time_and_the_body_are_signed() {
    let (_, id, time, body, good) = VECTORS[0];
    assert!(!first("msg_other", &time.to_string(), good, body, time));
    assert!(!first("", &time.to_string(), good, body, time));
    assert!(!first(id, &(time + 1).to_string(), good, body, time));
    assert!(!first(id, &time.to_string(), good, r#"{"test": 2432232315}"#, time));
    assert!(!first(
        "msg.1",
        &time.to_string(),
        &sign(&key_of_secret(VECTORS[0].0).unwrap(), "msg.1", time, b"{}"),
        "{}",
        time
    ));
}

#[test]
fn a_secret_may_lack_prefix_and_padding_but_not_its_bytes() {
    let (secret, ..) = VECTORS[2];
    let key = key_of_secret(secret).unwrap();
    let bare = secret.trim_start_matches("whsec_");
    assert_eq!(key, b"0123456789abcdef0123456789abcdef");
    assert_eq!(key_of_secret(bare), Some(key.clone()));
    assert_eq!(key_of_secret(bare.trim_end_matches('=')), Some(key.clone()));
    assert_eq!(secret_of_key(&key), secret);
    assert_eq!(key_of_secret(""), None);
    assert_eq!(key_of_secret("whsec_"), None);
    assert_eq!(key_of_secret("whsec_*"), None);
}
