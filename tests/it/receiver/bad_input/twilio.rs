//! Rows 6–8 and 10–16: Twilio's signature and what it does not say.

use sha2::{Digest, Sha256};
use tallyline_model::Provider;
use tallyline_secrets::signature::twilio;

use super::watched::{FORM_TYPE, Watched, another, calls, with_a_call};
use crate::receiver::support::{FORM, Left, ORIGIN, answer, config, endpoint};

#[tokio::test]
async fn bad_input_06_no_signature() {
    let watched = Watched::start().await;
    let bare = || watched.it.post(&watched.it.path(Provider::Twilio), FORM).header("content-type", FORM_TYPE);
    watched.refuses("nothing", bare(), 403, "no_credential").await;
    watched.refuses("a token", bare().bearer_auth(watched.token()), 403, "no_credential").await;
    let json = watched.it.post(&watched.it.path(Provider::Twilio), "{}").header("content-type", "application/json");
    watched.refuses("json", json, 403, "no_credential").await;
    watched.ends_with(Left::NOTHING).await;
}

#[tokio::test]
async fn bad_input_07_a_signature_of_something_else() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let watched = Watched::start().await;
    let path = watched.it.path(Provider::Twilio);
    let url = format!("{ORIGIN}{path}");
    let good = watched.sign(&url, FORM);
    for (name, body) in [
        ("one field more", format!("{FORM}&x=1")),
        ("one field less", FORM.replace("&CallDuration=42", "")),
        ("another value", FORM.replace("CallDuration=42", "CallDuration=43")),
        ("nothing", String::new()),
        ("bytes that are no UTF-8", format!("{FORM}&x=%ff")),
    ] {
        watched.refuses(name, watched.form(&path, &body, &good), 403, "wrong_credential").await;
    }
    let bytes = STANDARD.decode(&good).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let request = watched.form(&path, FORM, STANDARD.encode(flipped));
        watched.refuses(&format!("bit {bit}"), request, 403, "wrong_credential").await;
    }
    // A name that begins with another one must come after it.
    let both = format!("{FORM}&ReasonConferenceEnded=test&Reason=Participant");
    let sorted = String::from_utf8(twilio::signed_parameters(both.as_bytes())).unwrap();
    let wrongly =
        sorted.replace("ReasonParticipantReasonConferenceEndedtest", "ReasonConferenceEndedtestReasonParticipant");
    assert_ne!(sorted, wrongly);
    let made_of = |text: &str| twilio::sign(watched.token().as_bytes(), &format!("{url}{text}"), twilio::Content::None);
    watched.refuses("wrongly sorted", watched.form(&path, &both, made_of(&wrongly)), 403, "wrong_credential").await;
    let other = twilio::sign(b"another token", &url, twilio::Content::Form(FORM.as_bytes()));
    watched.refuses("another token", watched.form(&path, FORM, other), 403, "wrong_credential").await;
    assert_eq!(watched.it.left().await, Left::NOTHING);
    watched.accepts("rightly sorted", watched.form(&path, &both, made_of(&sorted))).await;
    watched.accepts("as it was signed", watched.form(&path, FORM, &good)).await;
    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT body FROM tally.inbox ORDER BY id").fetch_all(&watched.it.db.admin).await.unwrap();
    assert_eq!(kept, [both.as_bytes(), FORM.as_bytes()]);
    watched.it.stop().await;
}

#[tokio::test]
async fn bad_input_08_what_is_no_signature() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let watched = Watched::start().await;
    let path = watched.it.path(Provider::Twilio);
    let good = watched.sign(&format!("{ORIGIN}{path}"), FORM);
    let bytes = STANDARD.decode(&good).unwrap();
    for (name, signature) in [
        ("no base64", b"not base64 at all, really!!!".to_vec()),
        ("19 bytes", STANDARD.encode(&bytes[..19]).into_bytes()),
        ("21 bytes", STANDARD.encode([&bytes[..], b"x"].concat()).into_bytes()),
        ("empty", Vec::new()),
        ("10 kB", vec![b'A'; 10_240]),
        ("in hex", hex::encode(&bytes).into_bytes()),
        ("without its padding", good.trim_end_matches('=').to_owned().into_bytes()),
        ("for URLs", URL_SAFE.encode([0xff_u8; 20]).into_bytes()),
        ("a list", format!("{good},{good}").into_bytes()),
        ("quoted", format!("\"{good}\"").into_bytes()),
        ("no ASCII", vec![0xff; 28]),
    ] {
        watched.refuses(name, watched.form(&path, FORM, signature), 403, "wrong_credential").await;
    }
    let twice = watched.form(&path, FORM, &good).header("x-twilio-signature", &good);
    watched.refuses("twice", twice, 403, "wrong_credential").await;
    watched.ends_with(Left::NOTHING).await;
}

#[tokio::test]
async fn bad_input_10_signed_by_one_tenant_posted_to_another() {
    let watched = Watched::start().await;
    let other = another(&watched.it).await;
    let theirs = FORM.replace("AC00000000000000000000000000000001", "AC00000000000000000000000000000002");
    let path = format!("/webhooks/twilio/{}", endpoint(&other, Provider::Twilio).endpoint);
    for (name, body) in [("their account", theirs.as_str()), ("our account", FORM)] {
        // Signed with our token, for their address and for ours.
        for url in [format!("{ORIGIN}{path}"), format!("{ORIGIN}{}", watched.it.path(Provider::Twilio))] {
            let request = watched.form(&path, body, watched.sign(&url, body));
            watched.refuses(name, request, 403, "wrong_credential").await;
        }
    }
    watched.ends_with(Left::NOTHING).await;
}

#[tokio::test]
async fn bad_input_11_the_right_signature_and_another_account() {
    let watched = Watched::start().await;
    let sub = FORM.replace("AC00000000000000000000000000000001", "AC00000000000000000000000000000009");
    watched.accepts("a sub-account", watched.it.twilio(&sub)).await;
    watched.ends_with(Left::new(1, &["account_mismatch"], 0)).await;
}

#[tokio::test]
async fn bad_input_12_the_same_text_cut_elsewhere() {
    let watched = Watched::start().await;
    let honest = with_a_call(&watched).await;
    let path = watched.it.path(Provider::Twilio);
    let url = format!("{ORIGIN}{path}");
    let cut = |from: &str, to: &str| {
        assert!(FORM.contains(from));
        FORM.replacen(from, to, 1)
    };
    let signature = watched.sign(&url, FORM);
    let swallowed = "CallSid=CA00000000000000000000000000000001CallStatuscompleted";
    for (name, body, reason) in [
        ("the duration's name", cut("CallDuration=42", "CallDuration4=2"), "recut"),
        ("the duration's name, earlier", cut("CallDuration=42", "CallDuratio=n42"), "recut"),
        (
            "the status in the sid",
            cut("CallSid=CA00000000000000000000000000000001&CallStatus=completed", swallowed),
            "bad_sid",
        ),
        ("the status's name", cut("CallStatus=completed", "CallStatusc=ompleted"), "recut"),
        ("the sid's name", cut("CallSid=CA", "CallSidC=A"), "no_id"),
        ("the account's name", cut("AccountSid=AC", "AccountSidA=C"), "no_account"),
        (
            "the duration in the account",
            cut(
                "AccountSid=AC00000000000000000000000000000001",
                "AccountSid=AC00000000000000000000000000000001CallDuration42",
            )
            .replacen("&CallDuration=42", "", 1),
            "no_account",
        ),
    ] {
        watched.rejects(name, watched.form(&path, &body, &signature), reason).await;
        assert_eq!(calls(&watched.it).await, honest, "{name}");
    }
    // An honest address that has a query, and the account moved into it.
    let queried = format!("{path}?v=1");
    let signature = watched.sign(&format!("{url}?v=1"), FORM);
    let moved = format!("{path}?v=1AccountSidAC00000000000000000000000000000001");
    let body = cut("AccountSid=AC00000000000000000000000000000001&", "");
    watched.rejects("the account in the query", watched.form(&moved, &body, &signature), "no_account").await;
    watched.accepts("the honest one", watched.form(&queried, FORM, &signature)).await;
    assert_eq!(watched.it.left().await.inbox, 2, "which is the one that came before");
    assert_eq!(calls(&watched.it).await, honest);
    watched.it.stop().await;
}

#[tokio::test]
async fn bad_input_13_json_under_a_signature_of_the_address_alone() {
    let watched = Watched::start().await;
    let path = watched.it.path(Provider::Twilio);
    let body = r#"{"CallSid":"CA00000000000000000000000000000001","CallStatus":"completed"}"#;
    for path in [path.clone(), format!("{path}?v=1"), format!("{path}?bodySHA256="), format!("{path}?bodysha256=00")] {
        let signature = twilio::sign(watched.token().as_bytes(), &format!("{ORIGIN}{path}"), twilio::Content::None);
        for body in [body, "{}", ""] {
            let request = watched.it.post(&path, body).header("content-type", "application/json");
            let request = request.header("x-twilio-signature", &signature);
            watched.refuses(&path, request, 403, "wrong_credential").await;
        }
        // The same signature as that of an empty form does not carry a form either.
        watched.refuses("a form", watched.form(&path, FORM, &signature), 403, "wrong_credential").await;
    }
    watched.ends_with(Left::NOTHING).await;
}

#[tokio::test]
async fn bad_input_14_json_and_a_hash_that_is_not_its_own() {
    let watched = Watched::start().await;
    let path = watched.it.path(Provider::Twilio);
    let body = r#"{"CallSid":"CA00000000000000000000000000000001"}"#;
    let hash = hex::encode(Sha256::digest(body));
    let send = |query: &str, body: &str| {
        let path = format!("{path}?{query}");
        let signature = twilio::sign(watched.token().as_bytes(), &format!("{ORIGIN}{path}"), twilio::Content::None);
        let request = watched.it.post(&path, body.to_owned()).header("content-type", "application/json");
        request.header("x-twilio-signature", signature)
    };
    let right = format!("bodySHA256={hash}");
    for (name, query, body) in [
        ("a byte more", right.clone(), format!("{body} ")),
        ("a byte less", right.clone(), body[1..].to_owned()),
        ("another case", right.clone(), body.to_lowercase()),
        ("nothing", right.clone(), String::new()),
        ("upper case", format!("bodySHA256={}", hash.to_uppercase()), body.to_owned()),
        ("twice", format!("{right}&{right}"), body.to_owned()),
        ("a wrong one first", format!("bodySHA256={}&{right}", "0".repeat(64)), body.to_owned()),
        ("a wrong one last", format!("{right}&bodySHA256={}", "0".repeat(64)), body.to_owned()),
        ("cut", right[..right.len() - 1].to_owned(), body.to_owned()),
    ] {
        watched.refuses(name, send(&query, &body), 403, "wrong_credential").await;
    }
    assert_eq!(watched.it.left().await, Left::NOTHING);
    // Authentic; but a status of a call comes as a form.
    watched.rejects("right", send(&right, body), "not_a_call_status").await;
    watched.ends_with(Left::new(0, &["not_a_call_status"], 0)).await;
}

/// Requests go to a receiver whose origin is `origin`, signed for other URLs.
async fn signed_for(origin: &str, query: &str, signed: &[(&str, u16)]) {
    let mut config = config();
    config.http.public_origin = origin.to_owned();
    let watched = Watched::start_with(config).await;
    let path = watched.it.path(Provider::Twilio);
    let sent = format!("{path}{query}");
    for (signed, expected) in signed {
        let url = signed.replace("PATH", &path);
        let request = watched.form(&sent, FORM, watched.sign(&url, FORM));
        assert_eq!(answer(request).await.0, *expected, "{origin} {query}: signed for {signed}");
    }
    let refused = signed.iter().filter(|(_, status)| *status == 403).count() as u64;
    assert_eq!(watched.counters.refused("wrong_credential"), refused);
    let accepted = i64::from(signed.iter().any(|(_, status)| *status == 200));
    assert_eq!(watched.it.stored().await, (accepted, accepted, 0));
    watched.it.stop().await;
}

#[tokio::test]
async fn bad_input_15_addresses_written_in_another_way() {
    let origin = "https://hooks.example.test";
    signed_for(
        origin,
        "",
        &[
            ("https://hooks.example.test:8443PATH", 403),
            ("http://hooks.example.testPATH", 403),
            ("http://hooks.example.test:80PATH", 403),
            ("https://hooks.example.testPATH/", 403),
            ("https://hooks.example.test/PATH", 403),
            ("https://HOOKS.example.testPATH", 403),
            ("https://hooks.example.testPATH?", 403),
            ("https://hooks.example.testPATH?v=1", 403),
            ("https://hooks.example.testPATH#rc=5&rp=all", 403),
            ("https://user:pass@hooks.example.testPATH", 403),
            ("https://hooks.example.testPATH", 200),
            ("https://hooks.example.test:443PATH", 200),
        ],
    )
    .await;
    let signed = [
        ("https://hooks.example.test:443PATH", 403),
        ("https://hooks.example.testPATH", 200),
        ("https://hooks.example.test:8443PATH", 200),
    ];
    signed_for("https://hooks.example.test:8443", "", &signed).await;
    signed_for("https://user:pass@hooks.example.test", "", &[("https://hooks.example.testPATH", 200)]).await;
    let signed = [
        ("https://hooks.example.testPATH", 403),
        ("http://hooks.example.test:8080PATH", 403),
        ("http://hooks.example.testPATH", 200),
        ("http://hooks.example.test:80PATH", 200),
    ];
    signed_for("http://hooks.example.test", "", &signed).await;
    signed_for("http://hooks.example.test:8080", "", &[("http://hooks.example.test:8080PATH", 200)]).await;
    // Twilio's libraries write a quote in the query in two ways.
    for query in ["?v=%27a", "?v='a"] {
        let signed = [
            ("https://hooks.example.testPATH?v=a", 403),
            ("https://hooks.example.testPATH?v=%2527a", 403),
            ("https://hooks.example.testPATH?v=%27a", 200),
            ("https://hooks.example.testPATH?v='a", 200),
        ];
        signed_for(origin, query, &signed).await;
    }
}

#[tokio::test]
async fn bad_input_16_a_signature_for_the_host_that_the_request_names() {
    let watched = Watched::start().await;
    let path = watched.it.path(Provider::Twilio);
    let elsewhere = watched.sign(&format!("https://evil.example{path}"), FORM);
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "https://evil.example"),
    ] {
        let request = watched.form(&path, FORM, &elsewhere).header(name, value);
        watched.refuses(name, request, 403, "wrong_credential").await;
    }
    let local = watched.sign(&format!("http://{}{path}", watched.it.address), FORM);
    watched.refuses("the address that listens", watched.form(&path, FORM, local), 403, "wrong_credential").await;
    // The other way round: the origin is ours whatever the request names.
    assert_eq!(watched.it.left().await, Left::NOTHING);
    watched.accepts("another host", watched.it.twilio(FORM).header("host", "evil.example")).await;
    watched.it.stop().await;
}
