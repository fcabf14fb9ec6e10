//! HTTP as it should not be: methods, types, sizes, slowness, smuggling.

use tallyline_model::Provider;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Running, answer, config, endpoint, execution, read_to_close};

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let it = Running::start().await;
    for provider in Provider::ALL {
        for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"] {
            let url = format!("http://{}{}", it.address, it.path(*provider));
            let response = it.http.request(method.parse().unwrap(), url).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 405, "{method} {provider}");
            assert_eq!(response.headers()["allow"], "POST", "{method} {provider}");
        }
    }
    it.stop().await;
}

#[tokio::test]
async fn other_types_and_encodings_are_refused() {
    let it = Running::start().await;
    let path = it.path(Provider::Bolna);
    let secret = endpoint(&it.tenant, Provider::Bolna).secret;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", "multipart/form-data"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
    ] {
        let request = it.post(&path, execution("e-1")).bearer_auth(&secret).header(name, value);
        assert_eq!(answer(request).await, (415, String::new()), "{name}: {value}");
    }
    let without = it.post(&path, execution("e-1")).bearer_auth(&secret);
    assert_eq!(answer(without).await.0, 200, "Bolna's own type is not documented");
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

fn head(it: &Running, more: &str) -> String {
    let secret = endpoint(&it.tenant, Provider::Bolna).secret;
    format!("POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n{more}\r\n", it.path(Provider::Bolna))
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let mut config = config();
    config.receiver.max_body_bytes = 1_000;
    let it = Running::start_with(config).await;
    let pad = |bytes: usize| {
        let start = r#"{"id":"e-1","pad":""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    assert_eq!(answer(it.bolna(pad(1_000))).await.0, 200);

    // Nothing of the body was sent, and there is no 100 Continue before the refusal.
    for more in ["content-length: 100000000\r\n", "content-length: 1001\r\nexpect: 100-continue\r\n"] {
        let seen = it.raw(head(&it, more).as_bytes()).await;
        assert!(seen.starts_with("HTTP/1.1 413 "), "{more}: {seen}");
        assert!(seen.contains("connection: close"), "{seen}");
    }
    let chunked = format!("{}3e9\r\n{}\r\n", head(&it, "transfer-encoding: chunked\r\n"), pad(1_001));
    let seen = it.raw(chunked.as_bytes()).await;
    assert!(seen.starts_with("HTTP/1.1 413 "), "{seen}");
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_one_body() {
    let it = Running::start().await;
    let body = execution("e-1");
    let (first, second) = body.split_at(10);
    let request = format!(
        "{}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        head(&it, "transfer-encoding: chunked\r\nconnection: close\r\n"),
        first.len(),
        second.len()
    );
    assert!(it.raw(request.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(answer(it.bolna(body)).await, (200, r#"{"status":"duplicate"}"#.to_owned()));
    it.stop().await;
}

#[tokio::test]
async fn malformed_and_oversized_headers_are_refused() {
    let it = Running::start().await;
    let many = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let long = format!("x-long: {}\r\n", "a".repeat(64 * 1024));
    for (name, more, status) in [
        ("many", many.as_str(), "431"),
        ("long", long.as_str(), "431"),
        ("NUL", "x-bad: a\0b\r\n", "400"),
        ("two lengths", "content-length: 2\r\ncontent-length: 3\r\n", "400"),
        ("no length", "content-length: two\r\n", "400"),
        ("not chunked", "transfer-encoding: gzip\r\n", "400"),
    ] {
        let seen = it.raw(head(&it, more).as_bytes()).await;
        assert!(seen.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {seen:.60}");
    }
    assert_eq!(it.stored().await, (0, 0, 0));
    it.stop().await;
}

/// A length beside chunks could hide a second request from a proxy in front: the
/// chunks count, the length is ignored, and nothing behind them is a request.
#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let it = Running::start().await;
    let body = execution("e-1");
    let request = format!(
        "{}{:x}\r\n{body}\r\n0\r\n\r\n",
        head(&it, "content-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n"),
        body.len()
    );
    let seen = it.raw(request.as_bytes()).await;
    assert_eq!(seen.matches("HTTP/1.1 ").count(), 1, "{seen}");
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM tally.inbox").fetch_all(&it.db.admin).await.unwrap();
    assert!(kept.iter().all(|kept| kept == body.as_bytes()));
    it.stop().await;
}

#[tokio::test]
async fn who_is_slow_is_cut_off_and_others_are_served() {
    let mut config = config();
    config.http.header_deadline_seconds = 1;
    config.http.body_deadline_seconds = 1;
    let it = Running::start_with(config).await;
    let mut silent = TcpStream::connect(it.address).await.unwrap();
    let mut half = TcpStream::connect(it.address).await.unwrap();
    half.write_all(b"POST /webhooks/bolna/x HTTP/1.1\r\nhost:").await.unwrap();
    let mut slow = TcpStream::connect(it.address).await.unwrap();
    slow.write_all(format!("{}{{\"id\"", head(&it, "content-length: 20\r\n")).as_bytes()).await.unwrap();

    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    let (silent, half, slow) =
        tokio::join!(read_to_close(&mut silent), read_to_close(&mut half), read_to_close(&mut slow));
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    for cut in [silent, half] {
        assert!(cut.is_empty() || cut.starts_with("HTTP/1.1 408 "), "{cut}");
    }
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_event() {
    let it = Running::start().await;
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    stream.write_all(format!("{}{}", head(&it, "content-length: 500\r\n"), execution("e-1")).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let seen = read_to_close(&mut stream).await;
    assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 400 "), "{seen}");
    assert_eq!(it.stored().await, (0, 0, 0));
    it.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let mut config = config();
    config.http.max_connections = 1;
    config.http.header_deadline_seconds = 1;
    let it = Running::start_with(config).await;
    // The first takes the only place, says nothing, and loses it at its deadline.
    let mut silent = TcpStream::connect(it.address).await.unwrap();
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    read_to_close(&mut silent).await;
    it.stop().await;
}
