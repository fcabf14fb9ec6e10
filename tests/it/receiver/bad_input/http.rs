//! Rows 21–31: HTTP as it should not be.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use tallyline_model::Provider;
use tallyline_secrets::signature::twilio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::watched::{FORM_TYPE, Watched};
use crate::receiver::support::{
    Counters, FORM, Left, ORIGIN, PATIENCE, Running, add_tenant, answer, closing, config, endpoint, execution, head,
    read_to_close, status,
};

#[tokio::test]
async fn bad_input_21_other_methods_than_post() {
    let watched = Watched::start().await;
    let it = &watched.it;
    let methods = ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "PURGE"];
    for provider in Provider::ALL {
        for method in methods {
            let url = format!("http://{}{}", it.address, it.path(*provider));
            let response = it.http.request(method.parse().unwrap(), url).body(FORM).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 405, "{method} {provider}");
            assert_eq!(response.headers()["allow"], "POST", "{method} {provider}");
        }
    }
    // A GET that Twilio has signed is none the better for it.
    let path = format!("{}?{FORM}", it.path(Provider::Twilio));
    let token = endpoint(&it.tenant, Provider::Twilio).secret;
    let signature = twilio::sign(token.as_bytes(), &format!("{ORIGIN}{path}"), twilio::Content::None);
    let request = it.http.get(format!("http://{}{path}", it.address)).header("x-twilio-signature", signature);
    assert_eq!(answer(request).await, (405, String::new()));
    let asked = (Provider::ALL.len() * methods.len() + 1) as u64;
    assert_eq!((watched.counters.refused("method"), watched.counters.all_refused()), (asked, asked));
    watched.ends_with(Left::NOTHING).await;
}

/// The tenant's request with its proof, but of another content type.
fn typed(it: &Running, provider: Provider, content_type: Option<&str>) -> RequestBuilder {
    let request = match provider {
        Provider::Bolna => {
            it.post(&it.path(provider), execution("e-1")).bearer_auth(endpoint(&it.tenant, provider).secret)
        }
        Provider::Twilio | Provider::Analysis => {
            let path = it.path(provider);
            let content = twilio::Content::Form(FORM.as_bytes());
            let token = endpoint(&it.tenant, Provider::Twilio).secret;
            it.post(&path, FORM)
                .header("x-twilio-signature", twilio::sign(token.as_bytes(), &format!("{ORIGIN}{path}"), content))
        }
    };
    content_type.into_iter().fold(request, |request, value| request.header("content-type", value))
}

#[tokio::test]
async fn bad_input_22_content_types_that_are_not_read() {
    let watched = Watched::start().await;
    for provider in [Provider::Bolna, Provider::Twilio, Provider::Analysis] {
        for content_type in [
            "text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=latin1",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/xml",
            "application/jsonx",
            "application/x-www-form-urlencoded; charset=utf-16",
            "text/json",
            "",
            "json",
            "application/json, text/plain",
        ] {
            let request = typed(&watched.it, provider, Some(content_type));
            watched.refuses(&format!("{provider}: {content_type}"), request, 415, "content_type").await;
        }
        let twice = typed(&watched.it, provider, Some("application/json")).header("content-type", "application/json");
        watched.refuses("twice", twice, 415, "content_type").await;
    }
    for provider in [Provider::Twilio, Provider::Analysis] {
        watched.refuses("missing", typed(&watched.it, provider, None), 415, "content_type").await;
    }
    assert_eq!(watched.it.left().await, Left::NOTHING);
    // Bolna's own type is not documented.
    for content_type in [None, Some("application/json; charset=utf-8"), Some("APPLICATION/JSON;charset=\"UTF-8\"")] {
        watched.accepts("read", typed(&watched.it, Provider::Bolna, content_type)).await;
    }
    watched.accepts("read", typed(&watched.it, Provider::Twilio, Some(&format!("{FORM_TYPE}; charset=UTF-8")))).await;
    assert_eq!(watched.it.stored().await, (2, 2, 0));
    watched.it.stop().await;
}

#[tokio::test]
async fn bad_input_23_the_other_provider_s_kind_of_body() {
    let watched = Watched::start().await;
    let it = &watched.it;
    for provider in [Provider::Bolna, Provider::Analysis] {
        watched.refuses("a form", typed(it, provider, Some(FORM_TYPE)), 415, "content_type").await;
    }
    let json = typed(it, Provider::Twilio, Some("application/json"));
    watched.refuses("JSON whose hash is not signed", json, 403, "wrong_credential").await;
    // What the header says and the body is not.
    let secret = endpoint(&it.tenant, Provider::Bolna).secret;
    let form = it.post(&it.path(Provider::Bolna), FORM).bearer_auth(secret).header("content-type", "application/json");
    watched.rejects("a form called JSON", form, "not_json").await;
    watched.rejects("JSON called a form", it.twilio(&execution("e-1")), "not_a_call_status").await;
    watched.ends_with(Left::new(0, &["not_json", "not_a_call_status"], 0)).await;
}

const MEBIBYTE: usize = 1024 * 1024;
const HUGE: usize = 100 * 1_000_000;
/// What two socket buffers may hold of a body that nobody reads, and the
/// largest accepted body; a server that read on would take all of [`HUGE`].
const MOST_TAKEN: usize = 24 * MEBIBYTE;

/// Sends `head`, then `piece` again and again up to [`HUGE`] bytes, until the
/// server takes no more. How much it took, and what it answered.
async fn pour(it: &Running, head: &str, piece: &[u8]) -> (usize, String) {
    let (mut from, mut to) = TcpStream::connect(it.address).await.unwrap().into_split();
    to.write_all(head.as_bytes()).await.unwrap();
    let pouring = async {
        let mut taken = 0;
        while taken < HUGE {
            match to.write(piece).await {
                Ok(written) => taken += written,
                Err(_) => break,
            }
        }
        taken
    };
    let answering = async {
        let mut answer = Vec::new();
        let _ = from.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(PATIENCE, async { tokio::join!(pouring, answering) }).await.expect("the server closes the connection")
}

/// Broken by hand: without the check of the announced length in `limits::read`
/// the first is answered 408, at its deadline.
#[tokio::test]
async fn bad_input_24_a_hundred_megabytes_as_announced() {
    let watched = Watched::start().await;
    let it = &watched.it;
    // Nothing of the body is sent: the answer comes all the same.
    let length = format!("content-length: {HUGE}\r\n");
    let seen = it.raw(head(it, &length).as_bytes()).await;
    assert_eq!(status(&seen), 413, "{seen}");
    assert!(seen.contains("connection: close"), "{seen}");
    let (taken, seen) = pour(it, &head(it, &length), &[b' '; 65_536]).await;
    assert_eq!(status(&seen), 413, "{seen}");
    assert!(taken < MOST_TAKEN, "{taken} bytes were taken");
    let without = head(it, &length).replace("Bearer ", "Bearer x");
    assert_eq!(status(&it.raw(without.as_bytes()).await), 413, "before anybody is asked who they are");
    assert_eq!(watched.counters.refused("too_large"), 3);
    // Longer than any number.
    let seen = it.raw(head(it, "content-length: 99999999999999999999999999\r\n").as_bytes()).await;
    assert_eq!(status(&seen), 400, "{seen}");
    watched.ends_with(Left::NOTHING).await;
}

/// Broken by hand: without the check in the loop of `limits::read` the server
/// takes all of it, and only then says 400.
#[tokio::test]
async fn bad_input_25_a_hundred_megabytes_in_chunks() {
    let watched = Watched::start().await;
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
    let (taken, seen) = pour(&watched.it, &head(&watched.it, "transfer-encoding: chunked\r\n"), &chunk).await;
    assert_eq!(status(&seen), 413, "{seen}");
    assert!(seen.contains("connection: close"), "{seen}");
    assert!(taken < MOST_TAKEN, "{taken} bytes were taken");
    // One chunk that says it is everything.
    let one = format!("{}{HUGE:x}\r\n", head(&watched.it, "transfer-encoding: chunked\r\n"));
    let (taken, seen) = pour(&watched.it, &one, &[b' '; 65_536]).await;
    assert_eq!(status(&seen), 413, "{seen}");
    assert!(taken < MOST_TAKEN, "{taken} bytes were taken");
    assert_eq!(watched.counters.refused("too_large"), 2);
    watched.ends_with(Left::NOTHING).await;
}

#[tokio::test]
async fn bad_input_26_lengths_that_are_not_the_body_s() {
    let watched = Watched::start().await;
    let it = &watched.it;
    let body = execution("e-1");
    let long = format!("content-length: {}\r\n", body.len() + 100);
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    stream.write_all(format!("{}{body}", head(it, &long)).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let seen = read_to_close(&mut stream).await;
    assert!(seen.is_empty() || status(&seen) == 400, "{seen}");
    for (name, more) in [
        ("two lengths", "content-length: 2\r\ncontent-length: 3\r\n"),
        ("a list", "content-length: 2, 3\r\n"),
        ("negative", "content-length: -1\r\n"),
        ("signed", "content-length: +2\r\n"),
        ("in hex", "content-length: 0x2\r\n"),
        ("no number", "content-length: two\r\n"),
        ("not chunked last", "transfer-encoding: chunked, gzip\r\n"),
        ("not chunked", "transfer-encoding: gzip\r\n"),
    ] {
        let seen = it.raw(format!("{}{body}", head(it, more)).as_bytes()).await;
        assert_eq!((status(&seen), seen.matches("HTTP/1.1").count()), (400, 1), "{name}: {seen}");
    }
    for (name, chunks) in [
        ("no number", "xyz\r\n{}\r\n0\r\n\r\n"),
        ("negative", "-2\r\n{}\r\n0\r\n\r\n"),
        ("longer than any number", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("shorter than its data", "1\r\n{}\r\n0\r\n\r\n"),
    ] {
        let seen = it.raw(format!("{}{chunks}", head(it, "transfer-encoding: chunked\r\n")).as_bytes()).await;
        assert_eq!((status(&seen), seen.matches("HTTP/1.1").count()), (400, 1), "{name}: {seen}");
    }
    assert_eq!(it.left().await, Left::NOTHING);
    // Shorter than the body: the body ends there, and what follows is no request.
    let short = head(it, "content-length: 10\r\n") + &body;
    let seen = it.raw(short.as_bytes()).await;
    assert_eq!((status(&seen), seen.matches("HTTP/1.1 400").count()), (400, 2), "{seen}");
    watched.ends_with(Left::new(0, &["not_json"], 0)).await;
}

/// A length beside chunks could hide a second request from a proxy in front: the
/// chunks count, the length is ignored, and nothing behind them is a request: the
/// connection is closed.
#[tokio::test]
async fn bad_input_26_a_length_beside_chunks_smuggles_nothing() {
    let it = Running::start().await;
    let body = execution("e-1");
    let smuggled = closing(&it, "", &execution("e-2"));
    for headers in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 100\r\n",
    ] {
        let request = format!("{}{:x}\r\n{body}\r\n0\r\n\r\n{smuggled}", head(&it, headers), body.len());
        let seen = it.raw(request.as_bytes()).await;
        assert_eq!((status(&seen), seen.matches("HTTP/1.1 ").count()), (200, 1), "{headers}: {seen}");
    }
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM tally.inbox").fetch_all(&it.db.admin).await.unwrap();
    assert!(kept.iter().all(|kept| kept == body.as_bytes()));
    it.stop().await;
}

/// Broken by hand: without the body's deadline those who are stuck stay.
#[tokio::test]
async fn bad_input_27_who_is_slow_is_cut_off_and_others_are_served() {
    let counters = Counters::start();
    let mut config = config();
    config.http.header_deadline_seconds = 1;
    config.http.body_deadline_seconds = 1;
    let it = Running::start_with(config).await;
    let connect = async |text: String| {
        let mut stream = TcpStream::connect(it.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let mut silent = connect(String::new()).await;
    let mut half = connect("POST /webhooks/bolna/x HTTP/1.1\r\nhost:".to_owned()).await;
    let mut stuck = connect(format!("{}{{\"id\"", head(&it, "content-length: 20\r\n"))).await;
    let mut chunked = connect(format!("{}2\r\n{{\"\r\n", head(&it, "transfer-encoding: chunked\r\n"))).await;
    let dripping = |stream: TcpStream, piece: &'static [u8]| async move {
        let (mut from, mut to) = stream.into_split();
        let drip = async {
            let mut often = tokio::time::interval(Duration::from_millis(100));
            while to.write_all(piece).await.is_ok() {
                often.tick().await;
            }
        };
        let mut seen = Vec::new();
        tokio::select! {
            () = drip => (),
            _ = from.read_to_end(&mut seen) => return String::from_utf8(seen).unwrap(),
        }
        let _ = from.read_to_end(&mut seen).await;
        String::from_utf8(seen).unwrap()
    };
    let headers = connect("POST /webhooks/bolna/x HTTP/1.1\r\nx: ".to_owned()).await;
    let body = connect(head(&it, "content-length: 100000\r\n")).await;
    let chunks = connect(head(&it, "transfer-encoding: chunked\r\n")).await;

    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    let began = Instant::now();
    let cut = timeout(PATIENCE, async {
        tokio::join!(
            read_to_close(&mut stuck),
            read_to_close(&mut chunked),
            dripping(body, b" "),
            dripping(chunks, b"1\r\n \r\n"),
            read_to_close(&mut silent),
            read_to_close(&mut half),
            dripping(headers, b"x")
        )
    });
    let cut = cut.await.expect("all are cut off");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for slow_body in [&cut.0, &cut.1, &cut.2, &cut.3] {
        assert_eq!(status(slow_body), 408, "{slow_body}");
    }
    for slow_head in [&cut.4, &cut.5, &cut.6] {
        assert!(slow_head.is_empty() || status(slow_head) == 408, "{slow_head}");
    }
    assert_eq!((counters.refused("slow_body"), counters.refused("too_large")), (4, 0));
    assert!(counters.cut("silent") >= 3);
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

/// A gigabyte of zeros, compressed twice.
const BOMB: &[u8] = include_bytes!("bomb.gz.gz");

#[tokio::test]
async fn bad_input_28_bodies_that_are_encoded() {
    let watched = Watched::start().await;
    let it = &watched.it;
    for encoding in
        ["gzip", "x-gzip", "br", "deflate", "zstd", "compress", "GZIP", "gzip, gzip", "identity, gzip", "", "rot13"]
    {
        for body in [BOMB.to_vec(), execution("e-1").into_bytes()] {
            let request = it.bolna("").body(body).header("content-encoding", encoding);
            watched.refuses(encoding, request, 415, "content_encoding").await;
        }
    }
    let twice = it.bolna(execution("e-1")).header("content-encoding", "identity").header("content-encoding", "gzip");
    watched.refuses("in two headers", twice, 415, "content_encoding").await;
    assert_eq!(it.left().await, Left::NOTHING);
    // Undeclared it is what it is: bytes that are no JSON.
    watched.rejects("undeclared", it.bolna("").body(BOMB), "not_json").await;
    let kept: Vec<u8> = sqlx::query_scalar("SELECT body FROM tally.quarantine").fetch_one(&it.db.admin).await.unwrap();
    assert_eq!(kept, BOMB);
    watched.accepts("identity", it.bolna(execution("e-1")).header("content-encoding", "identity")).await;
    watched.it.stop().await;
}

#[tokio::test]
async fn bad_input_29_headers_that_are_too_many_too_long_or_broken() {
    let watched = Watched::start().await;
    let it = &watched.it;
    let many = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let same = "x-same: 1\r\n".repeat(1_000);
    let long = format!("x-long: {}\r\n", "a".repeat(64 * 1024));
    let name = format!("{}: 1\r\n", "a".repeat(64 * 1024));
    for (what, more, expected) in [
        ("1,000", many.as_str(), 431),
        ("one 1,000 times", same.as_str(), 431),
        ("64 kB", long.as_str(), 431),
        ("a name of 64 kB", name.as_str(), 431),
        ("NUL", "x-bad: a\0b\r\n", 400),
        ("CR", "x-bad: a\rb\r\n", 400),
        ("LF", "x-bad: a\nb\r\n", 400),
        ("a folded line", "x-bad: a\r\n b\r\n", 400),
        ("no colon", "x-bad\r\n", 400),
        ("no name", ": a\r\n", 400),
        ("a blank in the name", "x bad: a\r\n", 400),
        ("a blank before the colon", "content-length : 2\r\n", 400),
    ] {
        let before = watched.counters.cut("headers_too_large") + watched.counters.cut("malformed");
        let seen = it.raw(head(it, more).as_bytes()).await;
        assert_eq!(status(&seen), expected, "{what}: {seen:.60}");
        let after = watched.counters.cut("headers_too_large") + watched.counters.cut("malformed");
        assert_eq!(after, before + 1, "{what}");
    }
    assert!(watched.counters.cut("headers_too_large") >= 4);
    for first in ["POST", "GET / HTTP/9.9", "GET  / HTTP/1.1", "\u{16}\u{3}\u{1}", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let seen = it.raw(format!("{first}\r\n\r\n").as_bytes()).await;
        assert!(seen.is_empty() || status(&seen) == 400 || status(&seen) == 505, "{first}: {seen}");
    }
    watched.ends_with(Left::NOTHING).await;
}

/// What is no endpoint's address is 404; behind a provider's route everything
/// unknown looks like a wrong secret.
#[tokio::test]
async fn bad_input_30_tricks_with_the_path() {
    let watched = Watched::start().await;
    let it = &watched.it;
    let name = endpoint(&it.tenant, Provider::Bolna).endpoint;
    let other =
        endpoint(&add_tenant(&mut it.db.pool.acquire().await.unwrap(), "b@example.test").await, Provider::Bolna);
    let long = "a".repeat(10_240);
    let send = async |path: &str| {
        let request = closing(it, "", &execution("e-1")).replacen(&it.path(Provider::Bolna), path, 1);
        it.raw(request.as_bytes()).await
    };
    let mut unknown = None;
    for (path, expected) in [
        (format!("/webhooks/bolna/{name}/../{}", other.endpoint), 404),
        (format!("/webhooks/bolna/../bolna/{name}"), 404),
        (format!("/webhooks/bolna/./{name}"), 404),
        (format!("/webhooks/../webhooks/bolna/{name}"), 404),
        (format!("//webhooks/bolna/{name}"), 404),
        (format!("/webhooks//bolna/{name}"), 404),
        (format!("/webhooks/bolna//{name}"), 404),
        (format!("/webhooks/bolna/{name}/"), 404),
        (format!("/webhooks/bolna/{name}/x"), 404),
        (format!("/WEBHOOKS/bolna/{name}"), 404),
        (format!("/webhooks/Bolna/{name}"), 404),
        (format!("/webhooks/unknown/{name}"), 404),
        ("/webhooks/bolna".to_owned(), 404),
        ("/webhooks/bolna/".to_owned(), 404),
        ("/webhooks/".to_owned(), 404),
        ("/webhooks".to_owned(), 404),
        (format!("/webhooks/bolna%2f{name}"), 404),
        (format!("/{long}"), 404),
        (format!("/webhooks/bolna/%2e%2e%2f{name}"), 401),
        (format!("/webhooks/bolna/..%2f{}", other.endpoint), 401),
        (format!("/webhooks/bolna/{name}%00"), 401),
        (format!("/webhooks/bolna/{name}%20"), 401),
        (format!("/webhooks/bolna/{name}%0a"), 401),
        (format!("/webhooks/bolna/%{:x}{}", name.as_bytes()[0], &name[1..]), 401),
        (format!("/webhooks/bolna/{};x=1", name), 401),
        (format!("/webhooks/bolna/{}", name.to_uppercase()), 401),
        (format!("/webhooks/bolna/{}", &name[1..]), 401),
        (format!("/webhooks/bolna/{long}"), 401),
        ("/webhooks/bolna/%".to_owned(), 401),
        ("/webhooks/bolna/%ff%fe".to_owned(), 401),
        ("/webhooks/bolna/no-such-endpoint".to_owned(), 401),
        (format!("/webhooks/bolna/{}", other.endpoint), 401),
        (format!("/webhooks/bolna/{name} x"), 400),
        (format!("webhooks/bolna/{name}"), 400),
    ] {
        let seen = send(&path).await;
        assert_eq!(status(&seen), expected, "{path:.80}: {seen}");
        if expected == 401 {
            let seen: String = seen.lines().filter(|line| !line.starts_with("date: ")).collect();
            assert_eq!(*unknown.get_or_insert_with(|| seen.clone()), seen, "{path:.80}");
        }
    }
    assert_eq!(watched.counters.refused("wrong_credential"), 14);
    assert!(watched.counters.refused("path") >= 10);
    watched.ends_with(Left::NOTHING).await;
}

#[tokio::test]
async fn bad_input_31_an_expectation_of_too_large_a_body() {
    let watched = Watched::start().await;
    let it = &watched.it;
    for length in [HUGE, 2 * MEBIBYTE + 1] {
        let seen = it.raw(head(it, &format!("content-length: {length}\r\nexpect: 100-continue\r\n")).as_bytes()).await;
        assert_eq!(status(&seen), 413, "{seen}");
        assert!(!seen.contains("100 Continue"), "{seen}");
    }
    assert_eq!(watched.counters.refused("too_large"), 2);
    // Of a body that fits the answer is to go on.
    let body = execution("e-1");
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    let more = format!("content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n", body.len());
    stream.write_all(head(it, &more).as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(status(&read_to_close(&mut stream).await), 200);
    assert_eq!(it.stored().await, (1, 1, 0));
    watched.it.stop().await;
}
