//! While the database is away, webhooks wait on disk; then each is in the inbox once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use tallyline::config::Config;
use tallyline::receiver::spool::{Limits, OpenError, Spool};
use tallyline_db::pool;
use tallyline_model::Provider;
use tallyline_testkit::{Proxy, TestDb, wait_until};

use super::faults::{IN_TIME, few_connections};
use super::support::{FORM, PATIENCE, Running, answer, config, execution};

const LIMITS: Limits = Limits { max_bytes: 1 << 30, segment_bytes: 4096 };

pub fn files(dir: &Path, extension: &str) -> usize {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|found| found == extension)).count()
}

fn open(dir: &Path, limits: Limits) -> Spool {
    Spool::open(dir, limits, Arc::new(|_| ())).unwrap()
}

/// Endpoints are known for a minute.
fn remembering() -> Config {
    let mut config = config();
    config.receiver.endpoint_cache_seconds = 60;
    config
}

async fn with_spool(dir: &Path, limits: Limits, config: Config) -> (Running, Proxy) {
    let db = TestDb::new().await;
    let (url, proxy) = Proxy::before(&db.url).await;
    let pool = pool::connect(&few_connections(url)).await.unwrap();
    (Running::start_with_spool(db, pool, config, Some(open(dir, limits))).await, proxy)
}

async fn drained(it: &Running, dir: &Path, events: i64) {
    wait_until("the spool is drained", PATIENCE, async || files(dir, "spool") == 0).await;
    assert_eq!(it.stored().await, (events, events, 0));
    assert_eq!(it.count("SELECT count(*) FROM tally.spools").await, 0);
}

async fn clock(it: &Running) -> DateTime<Utc> {
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&it.db.admin).await.unwrap()
}

fn spooled() -> (u16, String) {
    (202, r#"{"status":"spooled"}"#.to_owned())
}

/// Broken by hand: with the time of the replay for the time of the receipt.
#[tokio::test]
async fn what_came_while_the_database_was_away_is_in_the_inbox_once_with_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("spool");
    let (it, proxy) = with_spool(&dir, LIMITS, remembering()).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    assert_eq!(answer(it.twilio(FORM)).await.0, 200);
    proxy.cut();
    let before = clock(&it).await;
    let answers = join_all((0..40).map(|n| answer(it.bolna(execution(&format!("e-{}", n % 30)))))).await;
    assert!(answers.iter().all(|answer| *answer == spooled()), "{answers:?}");
    let after = clock(&it).await;

    // What can be told without the database is told, and nothing else.
    let path = it.path(Provider::Bolna);
    assert_eq!(answer(it.bolna("{nonsense")).await.0, 503, "quarantine is in the database");
    assert_eq!(answer(it.post(&path, execution("e-1")).bearer_auth("wrong-secret-0123456789")).await.0, 401);
    let unknown = it.post("/webhooks/bolna/unknown-0123456789", execution("e-1")).bearer_auth("x");
    assert_eq!(answer(unknown).await.0, 503);
    assert_eq!(it.stored().await.0, 2);

    proxy.mend();
    drained(&it, &dir, 31).await;
    let times: (i64, bool) = sqlx::query_as(
        "SELECT count(*), bool_and(i.received_at BETWEEN $1 - interval '10 ms' AND $2 + interval '10 ms' AND p.received_at = i.received_at)
         FROM tally.inbox i JOIN tally.inbox_pending p ON p.user_id = i.user_id AND p.inbox_id = i.id
         WHERE i.provider = 'bolna' AND convert_from(i.body, 'UTF8') NOT LIKE '%\"e-0\"%'",
    )
    .bind(before)
    .bind(after)
    .fetch_one(&it.db.admin)
    .await
    .unwrap();
    assert_eq!(times, (29, true));
    assert_eq!(answer(it.bolna(execution("e-30"))).await, (200, r#"{"status":"accepted"}"#.to_owned()));
    it.stop().await;
}

/// Connections that were caught stay dead for ever.
#[tokio::test]
async fn a_database_that_swallows_everything_costs_one_deadline_and_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (it, proxy) = with_spool(dir.path(), LIMITS, remembering()).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    proxy.swallow();
    let began = Instant::now();
    let answers = join_all((1..=30).map(|n| answer(it.bolna(execution(&format!("e-{n}")))))).await;
    assert!(answers.iter().all(|answer| *answer == spooled()), "{answers:?}");
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(answer(it.bolna(execution("e-31"))).await, spooled());
    assert!(began.elapsed() < Duration::from_millis(900), "nobody waits for it again: {:?}", began.elapsed());
    proxy.mend();
    drained(&it, dir.path(), 32).await;
    it.stop().await;
}

/// Broken by hand: without the check of the room.
#[tokio::test]
async fn what_finds_no_room_is_refused_and_what_was_acknowledged_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { max_bytes: 20_000, segment_bytes: 4096 };
    let (it, proxy) = with_spool(dir.path(), limits, remembering()).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    proxy.cut();
    let (mut kept, mut refused) = (0, 0);
    for n in 1..=100 {
        let response = it.bolna(execution(&format!("e-{n}"))).send().await.unwrap();
        match response.status().as_u16() {
            202 => kept += 1,
            503 => {
                assert_eq!(response.headers()["retry-after"], "2");
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(kept >= 40 && refused >= 20, "{kept} {refused}");
    let size: u64 = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "spool"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(size <= 20_000 && files(dir.path(), "spool") > 3, "{size}");
    proxy.mend();
    drained(&it, dir.path(), kept + 1).await;
    it.stop().await;
}

#[tokio::test]
async fn a_directory_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), LIMITS);
    let refused = Spool::open(dir.path(), LIMITS, Arc::new(|_| ())).err();
    assert!(matches!(refused, Some(OpenError::InUse(_))), "{refused:?}");
    drop(first);
    wait_until("the lock is free", PATIENCE, async || Spool::open(dir.path(), LIMITS, Arc::new(|_| ())).is_ok()).await;
    let nowhere = Spool::open(&dir.path().join("no/such"), LIMITS, Arc::new(|_| ())).err();
    assert!(matches!(nowhere, Some(OpenError::Io { .. })), "{nowhere:?}");
}

/// Broken by hand: with the damaged file removed like the others.
#[tokio::test]
async fn the_next_process_finds_what_was_left_also_in_a_damaged_file() {
    let dir = tempfile::tempdir().unwrap();
    let (it, proxy) = with_spool(dir.path(), LIMITS, remembering()).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    proxy.cut();
    for n in 1..=20 {
        assert_eq!(answer(it.bolna(execution(&format!("e-{n}")))).await.0, 202);
    }
    let tenant = it.tenant.clone();
    let db = it.stop().await;
    let last = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let last = last.filter(|path| path.extension().is_some_and(|it| it == "spool")).max().unwrap();
    let mut torn = std::fs::read(&last).unwrap();
    torn.extend_from_within(18..60);
    std::fs::write(&last, torn).unwrap();

    let spool = open(dir.path(), LIMITS);
    assert_eq!(spool.depth().events, 20);
    let pool = db.pool.clone();
    let it = Running::start_for(tenant, db, pool, remembering(), Some(spool)).await;
    drained(&it, dir.path(), 21).await;
    assert_eq!(files(dir.path(), "damaged"), 1);
    it.stop().await;
}

/// The figures' lag counts what is on disk. Broken by hand: without the note.
#[tokio::test]
async fn the_database_knows_since_when_events_wait_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (it, _proxy) = with_spool(dir.path(), LIMITS, remembering()).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    sqlx::query("DELETE FROM tally.inbox_pending").execute(&it.db.admin).await.unwrap();
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let before = clock(&it).await;
    assert_eq!(answer(it.bolna(execution("e-1"))).await, spooled());
    let noted = "SELECT count(*) FROM tally.spools WHERE events = 1 AND bytes > 0";
    wait_until("the spool is noted", PATIENCE, async || it.count(noted).await == 1).await;
    let status = tallyline::status::collect(&it.db.pool).await.unwrap();
    assert_eq!((status.inbox.ready, status.inbox.spooled), (0, 1));
    let oldest: DateTime<Utc> =
        sqlx::query_scalar("SELECT oldest_received_at FROM tally.spools").fetch_one(&it.db.admin).await.unwrap();
    assert!((oldest - before).num_milliseconds().abs() < 500, "{oldest} {before}");
    assert!(status.inbox.oldest_seconds.unwrap() > 0.0);
    blocking.rollback().await.unwrap();
    wait_until("the spool is drained", PATIENCE, async || files(dir.path(), "spool") == 0).await;
    assert_eq!(it.stored().await, (2, 1, 0));
    it.stop().await;
}

#[tokio::test]
async fn an_endpoint_is_taken_from_memory_no_longer_than_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.receiver.endpoint_stale_seconds = 1;
    let (it, proxy) = with_spool(dir.path(), LIMITS, config).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    proxy.cut();
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 202);
    wait_until("the memory has faded", PATIENCE, async || answer(it.bolna(execution("e-2"))).await.0 == 503).await;
    it.stop().await;
}

/// An erased tenant does not come back from disk, nor from the memory of endpoints.
#[tokio::test]
async fn webhooks_of_an_erased_tenant_are_dropped_wherever_they_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (it, proxy) = with_spool(dir.path(), LIMITS, remembering()).await;
    assert_eq!(answer(it.bolna(execution("e-0"))).await.0, 200);
    proxy.cut();
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 202);
    let mut tx = it.db.pool.begin().await.unwrap();
    tallyline::tenants::data::erase(&mut tx, it.tenant.user_id).await.unwrap();
    tx.commit().await.unwrap();
    proxy.mend();
    drained(&it, dir.path(), 0).await;
    assert_eq!(answer(it.bolna(execution("e-2"))).await.0, 200, "the endpoint is remembered for a while");
    assert_eq!(answer(it.bolna("{nonsense")).await.0, 400);
    assert_eq!(it.stored().await, (0, 0, 0));
    it.stop().await;
}
