//! The vectors published by Twilio and its libraries (token `12345`), and
//! fixtures made with twilio-python's validator.

use super::*;

const P: &str = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
const P9: &str = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309\
    &ReasonConferenceEnded=test&Reason=Participant";
const U: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const HASH: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const JSON: &str = r#"{"property": "value", "boolean": true}"#;

fn valid(token: &str, url: &str, content: Content<'_>, signature: &str) -> bool {
    verify(&[token.as_bytes().to_vec()], url, content, signature.as_bytes()).is_some()
}

fn form(url: &str, body: &str, signature: &str) -> bool {
    valid("12345", url, Content::Form(body.as_bytes()), signature)
}

#[test]
fn accepts_the_published_form_vectors() {
    let v12 = "CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212";
    let v13 = "Digits=1234&To=%2B18005551212&From=%2B14158675310&Caller=%2B14158675310&CallSid=CA1234567890ABCDE";
    let vectors = [
        ("V1", U, P, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("V2", U, "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        ("V3", "https://mycompany.com:1234/myapp.php?foo=1&bar=2", P, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("V4", "http://mycompany.com:1234/myapp.php?foo=1&bar=2", P, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("V5", U, P, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("V6", "http://mycompany.com/myapp.php?foo=1&bar=2", P, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("V9", U, P9, "vOEb5UThFn24KEfnOFLQY2AE5FY="),
        ("V10", "http://mycompany.com/myapp.php?foo=1&bar=2", P9, "n2xBNyzSW7rfYStDtOFiFMv7qNo="),
        ("V10 with a port", "http://mycompany.com:1234/myapp.php?foo=1&bar=2", P9, "n2xBNyzSW7rfYStDtOFiFMv7qNo="),
        ("V11", U, "property=value&boolean=true", "NBdBDr/T/lgjI+tlgpXjKZQZs/k="),
        ("V12", U, v12, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
        ("V13", "https://example.com/myapp.php?foo=1&bar=2", v13, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
    ];
    for (name, url, body, signature) in vectors {
        assert!(form(url, body, signature), "{name}");
    }
}

#[test]
fn refuses_a_signature_made_by_sorting_prefix_names_wrongly() {
    assert!(!form(U, P9, "95+Bu0JVPi0r/SsESZCVf0dWAjw="), "V9, the wrong one");
}

#[test]
fn accepts_the_published_json_vectors_and_no_other_body() {
    let v7 = format!("{U}&bodySHA256={HASH}");
    let v8 = format!("https://mycompany.com/myapp.php?bodySHA256={HASH}");
    for (url, signature) in [(&v7, "a9nBmqA0ju/hNViExpshrM61xv4="), (&v8, "y77kIzt2vzLz71DgmJGsen2scGs=")] {
        assert!(valid("12345", url, Content::Hashed(JSON.as_bytes()), signature), "{url}");
        let longer = format!("{JSON} ");
        assert!(!valid("12345", url, Content::Hashed(longer.as_bytes()), signature), "{url}");
    }
}

#[test]
fn a_json_body_needs_exactly_one_hash_in_lower_case() {
    let base = "https://mycompany.com/myapp.php";
    let urls = [
        base.to_owned(),
        format!("{base}?bodySHA256={}", HASH.to_uppercase()),
        format!("{base}?bodySHA256={HASH}&bodySHA256={HASH}"),
        format!("{base}?bodySHA256="),
    ];
    for url in urls {
        // The signature itself is right: only the rule about the hash refuses.
        let signature = sign(b"12345", &url, Content::None);
        assert!(valid("12345", &url, Content::None, &signature), "{url}");
        assert!(!valid("12345", &url, Content::Hashed(JSON.as_bytes()), &signature), "{url}");
    }
}

const TOKEN: &str = "test_token_0123456789abcdef012345";
const BASE: &str = "https://hooks.example.test/v1/webhooks/twilio/voice/tnt_demo";
const NINE: &str = "AccountSid=AC00000000000000000000000000000001&ApiVersion=2010-04-01\
    &CallSid=CA00000000000000000000000000000001&Called=%2B12025550143&Caller=%2B12025550100\
    &Direction=outbound-api&From=%2B12025550100&To=%2B12025550143&CallbackSource=call-progress-events";

#[test]
fn accepts_the_fixtures_of_the_reference_validator() {
    let t1 = format!("{NINE}&CallStatus=initiated&SequenceNumber=0&Timestamp=Tue%2C+03+Mar+2026+10%3A11%3A12+%2B0000");
    let t2 = format!(
        "{NINE}&CallStatus=completed&CallDuration=42&Duration=1&SipResponseCode=200&SequenceNumber=3\
         &Timestamp=Tue%2C+03+Mar+2026+10%3A12%3A07+%2B0000"
    );
    let t3 = format!("{NINE}&CallStatus=completed&CallDuration=42&SequenceNumber=3");
    let t4 = "CallSid=CA00000000000000000000000000000001&CallStatus=completed\
              &CallerName=+Zo%C3%AB+%26+S%C3%B8n+%F0%9F%98%80+&ForwardedFrom=";
    let t5 = "CallSid=CA00000000000000000000000000000001&Digits=9&Digits=1&Digits=9";
    let fixtures = [
        ("T1", BASE.to_owned(), t1.as_str(), "tM0um7vMod18P0LeBy44u4+WS8g="),
        ("T2", BASE.to_owned(), &t2, "xTuNOnSOwfkZo9JUSzcZYQL94yE="),
        ("T3", format!("{BASE}?v=1&x=a%20b"), &t3, "ddKYpmPVmZqmmtyGDyTDVGzNLlI="),
        ("T4", BASE.to_owned(), t4, "8VHnMdR/m136fbbnghj1CuOrvMM="),
        ("T5", BASE.to_owned(), t5, "ZeD8fSxqzcX+8vvBYJvuP8PMKDQ="),
        ("T6", BASE.to_owned(), "a=1&B=2&A=3&b=4", "1kl53t7ZIxlnn6GWQF3jTKdnE4U="),
        ("T7", BASE.replace(".test/", ".test:8443/"), NINE, "GEggLZfi4YdhetJeh3FZxBg4X98="),
    ];
    for (name, url, body, signature) in fixtures {
        let content = Content::Form(body.as_bytes());
        assert!(valid(TOKEN, &url, content, signature), "{name}");
        assert!(!valid("other", &url, content, signature), "{name} with another token");
        let changed = format!("{body}1");
        assert!(!valid(TOKEN, &url, Content::Form(changed.as_bytes()), signature), "{name} with another body");
    }
}

#[test]
fn accepts_the_fixtures_without_a_form() {
    let t8 = format!("{BASE}?bodySHA256=824e9c6fbe5682df1abd878986827880e2dd1f2973cc7a791e8da9ca9ef0c747");
    let body = br#"{"CallSid":"CA00000000000000000000000000000001","CallStatus":"completed"}"#;
    assert!(valid(TOKEN, &t8, Content::Hashed(body), "cMrw01QuQu9VZSXJ+TuZwsJv/LQ="), "T8");
    let mut longer = body.to_vec();
    longer.push(b'\n');
    assert!(!valid(TOKEN, &t8, Content::Hashed(&longer), "cMrw01QuQu9VZSXJ+TuZwsJv/LQ="), "T8, one byte more");
    let t9 = format!("{BASE}?{NINE}&CallStatus=completed");
    assert!(valid(TOKEN, &t9, Content::None, "zvhBy9/CTLvIQJUkhKBoK+CyaS0="), "T9");
}

#[test]
fn ports_and_quotes_may_be_written_either_way_but_nothing_else() {
    let signed = sign(b"s3cr3t", "https://example.com:443/path?test=param'WithQuote", Content::None);
    for url in [
        "https://example.com/path?test=param'WithQuote",
        "https://example.com/path?test=param%27WithQuote",
        "https://example.com:443/path?test=param%27WithQuote",
        "https://user:pass@example.com/path?test=param'WithQuote",
        "https://example.com/path?test=param'WithQuote#rc=5",
    ] {
        assert!(valid("s3cr3t", url, Content::None, &signed), "{url}");
    }
    for url in [
        "https://example.com/path?test=other",
        "https://example.com/path/?test=param'WithQuote",
        "https://evil.example/path?test=param'WithQuote",
        "http://example.com/path?test=param'WithQuote",
    ] {
        assert!(!valid("s3cr3t", url, Content::None, &signed), "{url}");
    }
}

#[test]
fn says_which_key_matched_and_refuses_what_is_no_signature() {
    let keys = [b"new".to_vec(), b"old".to_vec()];
    let content = Content::Form(P.as_bytes());
    let by = |key: &[u8]| verify(&keys, U, content, sign(key, U, content).as_bytes());
    assert_eq!(by(b"new"), Some(MatchedKey::Current));
    assert_eq!(by(b"old"), Some(MatchedKey::Previous));
    assert_eq!(by(b"older"), None);

    let good = STANDARD.decode(sign(b"new", U, content)).unwrap();
    let mut flipped = good.clone();
    flipped[19] ^= 1;
    let mut longer = good.clone();
    longer.push(0);
    let encoded = [STANDARD.encode(flipped), STANDARD.encode(&good[..19]), STANDARD.encode(longer)];
    let huge = "A".repeat(10_240);
    for signature in encoded.iter().map(String::as_str).chain(["", "!", "not base64 at all, really!!!", &huge]) {
        assert_eq!(verify(&keys, U, content, signature.as_bytes()), None, "{:.40}", signature);
    }
}
