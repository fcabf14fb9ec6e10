//! Every limit of the configuration, at its bound and one beyond.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tallyline_model::Provider;
use tallyline_testkit::wait_until;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{
    Counters, PATIENCE, Running, add_tenant, answer, closing, config, endpoint, execution, head, read_to_close, status,
};

/// A body of so many bytes.
fn of(bytes: usize) -> String {
    let start = r#"{"id":"e-1","pad":""#;
    format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
}

#[tokio::test]
async fn a_body_may_have_max_body_bytes() {
    let counters = Counters::start();
    let mut config = config();
    config.receiver.max_body_bytes = 1_000;
    let it = Running::start_with(config).await;
    let chunked = |bytes: usize| {
        let end = "transfer-encoding: chunked\r\nconnection: close\r\n";
        format!("{}{bytes:x}\r\n{}\r\n0\r\n\r\n", head(&it, end), of(bytes))
    };
    assert_eq!(answer(it.bolna(of(1_000))).await.0, 200);
    assert_eq!(status(&it.raw(chunked(1_000).as_bytes()).await), 200);
    assert_eq!(answer(it.bolna(of(1_001))).await.0, 413);
    assert_eq!(status(&it.raw(chunked(1_001).as_bytes()).await), 413);
    assert_eq!(counters.refused("too_large"), 2);
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

#[tokio::test]
async fn a_request_may_have_max_headers_and_max_header_bytes() {
    let counters = Counters::start();
    let mut config = config();
    config.http.max_headers = 10;
    config.http.max_header_bytes = 1_000;
    let it = Running::start_with(config).await;
    let body = execution("e-1");
    // Four headers are there already.
    let many = |headers: usize| closing(&it, &"x: 1\r\n".repeat(headers - 4), &body);
    let length = closing(&it, "x: \r\n", &body).len() - body.len();
    let long = |bytes: usize| closing(&it, &format!("x: {}\r\n", "a".repeat(bytes - length)), &body);
    for (name, request, expected) in [
        ("as many", many(10), 200),
        ("one more", many(11), 431),
        ("as long", long(1_000), 200),
        ("much longer", long(1_200), 431),
    ] {
        let seen = it.raw(request.as_bytes()).await;
        assert_eq!(status(&seen), expected, "{name}: {seen}");
    }
    assert_eq!(counters.cut("headers_too_large"), 2);
    it.stop().await;
}

#[tokio::test]
async fn connections_beyond_max_connections_wait_for_their_turn() {
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

/// A connection that the server serves: it was told to go on.
async fn waiting(it: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    stream.write_all(head(it, "content-length: 10\r\nexpect: 100-continue\r\n").as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    stream
}

/// Broken by hand: with `admit` always giving a place the third is answered.
#[tokio::test]
async fn one_address_may_have_max_connections_per_address() {
    for (trusted, beyond) in [(vec![], 0), (vec!["127.0.0.1".to_owned()], 200)] {
        let counters = Counters::start();
        let mut config = config();
        config.http.max_connections_per_address = 2;
        config.http.trusted_proxies = trusted.try_into().unwrap();
        let it = Running::start_with(config).await;
        let (first, _second) = (waiting(&it).await, waiting(&it).await);
        let request = closing(&it, "", &execution("e-1"));
        assert_eq!(status(&it.raw(request.as_bytes()).await), beyond);
        assert_eq!(counters.cut("per_address"), u64::from(beyond == 0));
        drop(first);
        wait_until("its place is free again", PATIENCE, async || status(&it.raw(request.as_bytes()).await) == 200)
            .await;
        it.stop().await;
    }
}

/// Broken by hand: with permits that are given back while the body is read, or
/// when it is read, one of the two that are refused is accepted.
#[tokio::test]
async fn bodies_together_may_take_max_buffered_bytes() {
    let counters = Counters::start();
    let mut config = config();
    config.receiver.max_buffered_bytes = 1_000;
    config.receiver.acknowledge_deadline_milliseconds = 20_000;
    let it = Running::start_with(config).await;
    assert_eq!(answer(it.bolna(of(1_000))).await.0, 200);
    let mut half = TcpStream::connect(it.address).await.unwrap();
    let sent = head(&it, "content-length: 700\r\nconnection: close\r\n") + &of(700)[..600];
    half.write_all(sent.as_bytes()).await.unwrap();
    // Until those 600 were read this one is accepted, as a duplicate.
    wait_until("no room", PATIENCE, async || {
        let response = it.bolna(of(1_000)).send().await.unwrap();
        let retry_after = response.headers().get("retry-after").cloned();
        match response.status().as_u16() {
            503 => retry_after.unwrap() == "2",
            200 => false,
            other => panic!("{other}"),
        }
    })
    .await;
    assert_eq!(counters.refused("buffers_full"), 1);
    assert_eq!(answer(it.bolna(of(400))).await.0, 200, "what is left is enough for another");
    half.write_all(&of(700).as_bytes()[600..]).await.unwrap();
    assert_eq!(status(&read_to_close(&mut half).await), 200);
    assert_eq!(answer(it.bolna(of(999))).await.0, 200, "and all of it is free again");

    // A body that was read takes its part until it is answered.
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let waiting = tokio::spawn(answer(it.bolna(of(701))));
    wait_until("it waits for its COMMIT", PATIENCE, async || {
        it.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0
    })
    .await;
    assert_eq!(answer(it.bolna(of(400))).await.0, 503);
    assert_eq!(counters.refused("buffers_full"), 2);
    blocking.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().0, 200);
    it.stop().await;
}

/// Broken by hand: with a `Place` that is dropped at once nobody is refused.
#[tokio::test]
async fn a_tenant_may_have_max_in_flight_per_tenant() {
    let counters = Counters::start();
    let mut config = config();
    config.receiver.max_in_flight_per_tenant = 3;
    config.receiver.acknowledge_deadline_milliseconds = 20_000;
    let it = Running::start_with(config).await;
    let other =
        endpoint(&add_tenant(&mut it.db.pool.acquire().await.unwrap(), "b@example.test").await, Provider::Bolna);
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let elsewhere = format!("/webhooks/bolna/{}", other.endpoint);
    let others = tokio::spawn(answer(it.post(&elsewhere, execution("e-1")).bearer_auth(other.secret)));
    // One more than there may be: it is told so, whichever it is, and the others wait.
    let mut under_way: FuturesUnordered<_> = (0..4).map(|n| it.bolna(execution(&format!("e-{n}"))).send()).collect();
    let limited = timeout(PATIENCE, under_way.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "2"));
    blocking.rollback().await.unwrap();
    while let Some(answered) = under_way.next().await {
        assert_eq!(answered.unwrap().status().as_u16(), 200);
    }
    assert_eq!(others.await.unwrap().0, 200);
    assert_eq!(counters.refused("tenant_in_flight"), 1);
    assert_eq!(it.stored().await, (4, 4, 0));
    assert_eq!(answer(it.bolna(execution("e-4"))).await.0, 200, "their places are free again");
    it.stop().await;
}

/// Asks and asks and takes no answer: the buffers fill, and then nothing goes on.
///
/// Broken by hand: with a plain stream the connection stays for ever.
#[tokio::test]
async fn who_reads_no_answers_is_cut_off_after_write_deadline_seconds() {
    let counters = Counters::start();
    let mut config = config();
    config.http.write_deadline_seconds = 1;
    let it = Running::start_with(config).await;
    let request = b"GET /webhooks/none HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    let asking = async { while stream.write_all(&request).await.is_ok() {} };
    timeout(2 * PATIENCE, asking).await.expect("the server closes the connection");
    wait_until("it is counted", PATIENCE, async || counters.cut("unread") == 1).await;
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    it.stop().await;
}

#[tokio::test]
async fn json_may_be_as_deep_as_max_json_depth() {
    let counters = Counters::start();
    let mut config = config();
    config.receiver.max_json_depth = 5;
    let it = Running::start_with(config).await;
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"id":"e-1","text":"[[[[[[[[","pad":{open}{close}}}"#)
    };
    assert_eq!(answer(it.bolna(deep(5))).await.0, 200);
    assert_eq!(answer(it.bolna(deep(6))).await, (400, r#"{"error":"not_json"}"#.to_owned()));
    let analysis = format!(r#"{{"execution_id":"e-1","analysis_type":"individual","analysis":{}}}"#, deep(5));
    assert_eq!(answer(it.analysis(&analysis, 0).await).await.0, 400);
    assert_eq!(counters.refused("not_json"), 2);
    assert_eq!(it.stored().await, (1, 1, 2));
    it.stop().await;
}
