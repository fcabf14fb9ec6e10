//! Without its database the receiver says so in time, and loses nothing silently.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use tallyline_db::pool::{self, PoolOptions};
use tallyline_testkit::{Proxy, TestDb, wait_until};

use super::support::{PATIENCE, Running, answer, config, execution};

/// Two seconds are promised; the rest is for a busy machine.
pub const IN_TIME: Duration = Duration::from_millis(2_900);

/// A 503 with a hint when to come again, and how long it took.
async fn refused(it: &Running, id: &str) -> Duration {
    let began = Instant::now();
    let response = it.bolna(execution(id)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.text().await.unwrap(), "");
    began.elapsed()
}

/// One for each committer: one that hangs is missed.
pub fn few_connections(url: String) -> PoolOptions {
    PoolOptions { max_connections: 2, ..PoolOptions::new(url) }
}

async fn behind_a_proxy(mut change: impl FnMut(&mut tallyline::config::Config)) -> (Running, Proxy) {
    let db = TestDb::new().await;
    let (url, proxy) = Proxy::before(&db.url).await;
    let pool = pool::connect(&few_connections(url)).await.unwrap();
    let mut config = config();
    change(&mut config);
    (Running::start_on(db, pool, config).await, proxy)
}

#[tokio::test]
async fn defect_25_a_database_that_went_away_is_a_503_in_time() {
    // Once the endpoint has to be looked up, once it is known and the COMMIT fails.
    for cache_seconds in [0, 60] {
        let (it, proxy) = behind_a_proxy(|config| config.receiver.endpoint_cache_seconds = cache_seconds).await;
        assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
        proxy.cut();
        for attempt in 0..3 {
            let took = refused(&it, "e-2").await;
            assert!(took < IN_TIME, "attempt {attempt}, {cache_seconds} s: {took:?}");
        }
        assert_eq!(it.stored().await.0, 1);
        it.stop().await;
    }
}

#[tokio::test]
async fn defect_25_a_database_that_hangs_is_a_503_in_time_and_the_event_can_be_sent_again() {
    let it = Running::start().await;
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let took = refused(&it, "e-1").await;
    assert!(took < IN_TIME, "{took:?}");
    blocking.rollback().await.unwrap();
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    wait_until("the event is there once", PATIENCE, async || it.stored().await == (1, 1, 0)).await;
    it.stop().await;
}

/// Nobody is told that packets are lost: the deadline is all there is. Connections
/// that were caught stay dead, and new ones take their place.
///
/// Broken by hand: with connections that hang given back to the pool, nothing is
/// stored after the database is back.
#[tokio::test]
async fn a_database_behind_a_black_hole_is_a_503_in_time_and_found_again() {
    for cache_seconds in [0, 60] {
        let (it, proxy) = behind_a_proxy(|config| config.receiver.endpoint_cache_seconds = cache_seconds).await;
        assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
        proxy.swallow();
        for _ in 0..2 {
            let took = join_all((0..12).map(|n| refused(&it, if n % 2 == 0 { "e-2" } else { "e-3" }))).await;
            assert!(took.iter().all(|took| *took < IN_TIME), "{cache_seconds} s: {took:?}");
        }
        proxy.mend();
        wait_until("it is found again", PATIENCE, async || answer(it.bolna(execution("e-4"))).await.0 == 200).await;
        it.stop().await;
    }
}

/// Every connection of the pool is in the middle of a statement when the hole opens.
///
/// Broken by hand: with such connections given back to the pool, which asks them how
/// they are and waits for ever, nothing is stored after the database is back.
#[tokio::test]
async fn statements_that_are_swallowed_leave_their_places_in_the_pool() {
    let (it, proxy) = behind_a_proxy(|config| {
        config.receiver.endpoint_cache_seconds = 60;
        (config.receiver.committers, config.receiver.max_group) = (2, 1);
    })
    .await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let caught = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'tally.inbox'::regclass";
        wait_until("both connections are in a statement", PATIENCE, async || it.count(waiting).await == 2).await;
        proxy.swallow();
    };
    let (took, ()) = tokio::join!(join_all(["e-1", "e-2"].map(|id| refused(&it, id))), caught);
    assert!(took.iter().all(|took| *took < IN_TIME), "{took:?}");
    blocking.rollback().await.unwrap();
    proxy.mend();
    wait_until("it is found again", PATIENCE, async || answer(it.bolna(execution("e-3"))).await.0 == 200).await;
    it.stop().await;
}

#[tokio::test]
async fn a_server_that_was_stopped_is_a_503_in_time() {
    let (it, proxy) = behind_a_proxy(|config| config.receiver.endpoint_cache_seconds = 60).await;
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    // Nobody listens there any more.
    drop(proxy);
    for _ in 0..3 {
        let took = refused(&it, "e-2").await;
        assert!(took < IN_TIME, "{took:?}");
    }
    it.stop().await;
}

#[tokio::test]
async fn an_exhausted_pool_is_a_503_in_time_and_passes() {
    let it = Running::start().await;
    let mut taken = Vec::new();
    while let Ok(Ok(connection)) = tokio::time::timeout(Duration::from_millis(500), it.db.pool.acquire()).await {
        taken.push(connection);
    }
    let took = refused(&it, "e-1").await;
    assert!(took < IN_TIME, "{took:?}");
    taken.clear();
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    it.stop().await;
}

/// Who finds the queue full is told at once, and does not wait with the others.
#[tokio::test]
async fn a_full_queue_is_a_503_at_once() {
    let it = Running::start_with({
        let mut config = config();
        (config.receiver.max_in_flight, config.receiver.max_group, config.receiver.committers) = (4, 4, 1);
        config.receiver.endpoint_cache_seconds = 60;
        config
    })
    .await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let took = join_all((0..60).map(|_| refused(&it, "e-1"))).await;
    let at_once = took.iter().filter(|took| **took < Duration::from_millis(1_500)).count();
    assert!(at_once >= 48, "{at_once} of 60: {took:?}");
    assert!(took.iter().all(|took| *took < IN_TIME), "{took:?}");
    blocking.rollback().await.unwrap();
    it.stop().await;
}

/// Bodies in memory have a bound of their own, and give their place back.
///
/// Broken by hand: without `merge` every place is given back at once; with the place
/// forgotten, the second round finds no room.
#[tokio::test]
async fn bodies_that_find_no_room_in_memory_are_a_503() {
    let it = Running::start_with({
        let mut config = config();
        config.receiver.max_buffered_bytes = 200_000;
        config.receiver.endpoint_cache_seconds = 60;
        config
    })
    .await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    for round in 0..2 {
        let mut blocking = it.db.admin.begin().await.unwrap();
        sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
        let large = |n| format!("{{\"id\":\"e-{round}-{n}\",\"agent_id\":\"{}\"}}", "x".repeat(60_000));
        let mut answers: FuturesUnordered<_> = (0..8).map(|n| answer(it.bolna(large(n)))).collect();
        for _ in 0..5 {
            assert_eq!(answers.next().await.unwrap().0, 503, "round {round}: three bodies of 60 kB fit into 200 kB");
        }
        blocking.rollback().await.unwrap();
        while let Some((status, _)) = answers.next().await {
            assert_eq!(status, 200, "round {round}");
        }
    }
    it.stop().await;
}
