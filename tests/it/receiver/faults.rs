//! Without its database the receiver says so in time, and loses nothing silently.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use tallyline_db::pool::{self, PoolOptions};
use tallyline_testkit::{TestDb, wait_until};

use super::proxy::Proxy;
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

/// The database's address through a proxy.
pub async fn proxied(db: &TestDb) -> (String, Proxy) {
    let options = PgConnectOptions::from_str(&db.url).unwrap();
    let upstream = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::to(upstream.clone()).await;
    let url = db.url.replacen(&format!("@{upstream}"), &format!("@{}", proxy.address), 1);
    assert_ne!(url, db.url, "the proxy stands between");
    (url, proxy)
}

async fn behind_a_proxy(mut change: impl FnMut(&mut tallyline::config::Config)) -> (Running, Proxy) {
    let db = TestDb::new().await;
    let (url, proxy) = proxied(&db).await;
    let pool = pool::connect(&PoolOptions::new(url)).await.unwrap();
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
