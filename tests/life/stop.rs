//! Signals, and what is under way when they come.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use sqlx::PgPool;
use tallyline_testkit::{Proxy, TestDb, wait_until};

use crate::daemon::Site;
use crate::process::{LONG, Process};

/// A request whose body does not come: it is under way for as long as it may be. It is
/// when this returns: the server has asked for the body.
fn half_a_request(site: &Site) -> TcpStream {
    let mut stream = TcpStream::connect(&site.address).unwrap();
    stream
        .write_all(
            b"POST /webhooks/bolna/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        )
        .unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    stream
}

/// Break tried: the second signal not listened for.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let db = TestDb::new().await;
    for (second, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let site = Site::new(&db);
        let daemon = Process::start(&site, &[]);
        daemon.ready(&site).await;
        let _under_way = half_a_request(&site);
        daemon.signal(Signal::SIGTERM);
        daemon.until_logged("stopping; a second signal").await;
        daemon.signal(second);
        assert_eq!(daemon.ended().await.code(), Some(code));
    }
}

/// Break tried: requests waited for without regard to the grace.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_outlast_the_grace_are_cut_off() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let daemon = Process::start(&site, &[("TALLYLINE_STOP__GRACE_SECONDS", "1")]);
    daemon.ready(&site).await;
    let _under_way = half_a_request(&site);
    daemon.signal(Signal::SIGINT);
    daemon.until_logged("requests did not end in time and are cut off").await;
    assert_eq!(daemon.ended().await.code(), Some(0));
}

/// Nothing that waits for a database may keep the process. Break tried: no deadline
/// around the end as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_swallows_everything_does_not_hold_up_the_end() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let (url, proxy) = Proxy::before(&db.url).await;
    let daemon = Process::start(&site, &[("DATABASE_URL", &url), ("TALLYLINE_STOP__GRACE_SECONDS", "1")]);
    daemon.ready(&site).await;
    proxy.swallow();
    daemon.signal(Signal::SIGTERM);
    let code = daemon.ended().await.code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}

async fn number(admin: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(admin).await.unwrap()
}

/// A job that runs when its process stops, and longer than the grace, is given back:
/// it has not failed, it is no attempt, and the next process runs it.
///
/// Break to try: the run reported as an error instead of as interrupted.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_the_grace_is_given_back_and_not_failed() {
    const HELD: &str = "SELECT count(*) FROM tally.jobs WHERE coalesce_key = 'view' AND state = 'claimed'";
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let variables = [("TALLYLINE_STOP__GRACE_SECONDS", "1")];
    let daemon = Process::start(&site, &variables);
    daemon.ready(&site).await;
    // The refresh, which the job of this key makes, waits for this lock.
    let mut lock = db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE user_analytics IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    sqlx::query("SELECT tally.request_job('refresh_kpi_summary', 'view')").execute(&db.admin).await.unwrap();
    wait_until("the job runs", LONG, async || number(&db.admin, HELD).await > 0).await;
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().await.code(), Some(0));

    let given_back = "SELECT count(*) FROM tally.jobs WHERE coalesce_key = 'view' AND state = 'ready' AND lost = 0
                      AND last_error IS NULL AND attempt = 0";
    assert_eq!(number(&db.admin, given_back).await, 1);
    let wrong = "SELECT count(*) FROM tally.job_history WHERE outcome NOT IN ('succeeded', 'interrupted')";
    assert_eq!(number(&db.admin, wrong).await, 0);
    lock.rollback().await.unwrap();
    let next = Process::start(&site, &variables);
    next.ready(&site).await;
    let ended = "SELECT count(*) FROM tally.job_history WHERE outcome = 'succeeded' AND job_id =
                 (SELECT job_id FROM tally.job_history WHERE outcome = 'interrupted' AND kind = 'refresh_kpi_summary')";
    wait_until("the next process runs it", LONG, async || number(&db.admin, ended).await > 0).await;
}
