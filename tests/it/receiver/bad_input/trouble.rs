//! Rows 32–35: too many requests, clients that leave, a database that is not
//! there, a process that is killed.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use tallyline::tenants::add_agent;
use tallyline_db::pool::{self, PoolOptions};
use tallyline_model::Provider;
use tallyline_testkit::{TestDb, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::daemon::Site;
use crate::receiver::held_answers::Proxy;
use crate::receiver::support::{
    Counters, Left, PATIENCE, Running, add_tenant, answer, closing, config, endpoint, execution, head, whole,
};

fn duplicate() -> (u16, String) {
    (200, r#"{"status":"duplicate"}"#.to_owned())
}

/// Ten thousand requests down one connection without waiting for an answer.
///
/// Broken by hand: with the rate left out of `admit` all are answered 200; with one bucket
/// for everybody the other tenant is refused as well.
#[tokio::test]
async fn bad_input_32_a_burst_of_one_tenant() {
    const SENT: usize = 10_000;
    let counters = Counters::start();
    let mut config = config();
    config.receiver.tenant_requests_per_second = 10;
    config.receiver.tenant_burst_requests = 100;
    config.receiver.endpoint_cache_seconds = 60;
    let it = Running::start_with(config).await;
    let other =
        endpoint(&add_tenant(&mut it.db.pool.acquire().await.unwrap(), "b@example.test").await, Provider::Bolna);
    let began = Instant::now();
    let body = execution("e-1");
    let one = head(&it, &format!("content-length: {}\r\n", body.len())) + &body;
    let last = closing(&it, "", &body);
    let (mut from, mut to) = TcpStream::connect(it.address).await.unwrap().into_split();
    let sending = async {
        for _ in 1..SENT {
            to.write_all(one.as_bytes()).await.unwrap();
        }
        to.write_all(last.as_bytes()).await.unwrap();
    };
    let reading = async {
        let mut seen = Vec::new();
        timeout(3 * PATIENCE, from.read_to_end(&mut seen)).await.unwrap().unwrap();
        String::from_utf8(seen).unwrap()
    };
    let others = async {
        for n in 0..20 {
            let path = format!("/webhooks/bolna/{}", other.endpoint);
            let request = it.post(&path, execution(&format!("e-{n}"))).bearer_auth(&other.secret);
            assert_eq!(answer(request).await.0, 200, "the other tenant's, {n}");
        }
    };
    let ((), seen, ()) = tokio::join!(sending, reading, others);
    let (accepted, limited) = (seen.matches("HTTP/1.1 200 ").count(), seen.matches("HTTP/1.1 429 ").count());
    let most = 100 + 10 * (began.elapsed().as_secs() as usize + 1);
    assert_eq!(accepted + limited, SENT);
    assert!((100..=most).contains(&accepted), "{accepted} of at most {most}");
    assert_eq!(seen.matches("retry-after: 1\r\n").count(), limited);
    assert_eq!(counters.refused("tenant_rate"), limited as u64);
    assert_eq!(it.stored().await, (21, 21, 0));
    it.stop().await;
}

#[tokio::test]
async fn bad_input_33_a_client_that_leaves_before_our_answer() {
    let it = Running::start().await;
    add_agent(&mut it.db.pool.acquire().await.unwrap(), it.tenant.user_id, "agent-1", "Asha").await.unwrap();
    // With an open transaction in the way no answer can come before the end.
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    stream.write_all(closing(&it, "", &execution("e-1")).as_bytes()).await.unwrap();
    wait_until("the event is about to be written", PATIENCE, async || {
        it.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0
    })
    .await;
    drop(stream);
    blocking.rollback().await.unwrap();
    wait_until("the event is stored", PATIENCE, async || it.stored().await == (1, 1, 0)).await;
    assert_eq!(answer(it.bolna(execution("e-1"))).await, duplicate());
    assert_eq!(it.left().await, Left::new(1, &[], 1));
    it.stop().await;
}

/// A 503 with a hint when to come again, within the promised two seconds and
/// what a busy machine may need besides.
async fn unavailable(it: &Running, name: &str) {
    let began = Instant::now();
    let seen = whole(it.bolna(execution("e-1")).send().await.unwrap()).await;
    assert_eq!((seen.0, seen.2.as_str()), (503, ""), "{name}");
    assert!(seen.1.contains(&("retry-after".to_owned(), "2".to_owned())), "{name}: {:?}", seen.1);
    assert!(began.elapsed() < Duration::from_millis(2_900), "{name}: {:?}", began.elapsed());
}

/// Of a database that is away or hangs see also the tests of defect 25.
#[tokio::test]
async fn bad_input_34_no_connection_is_free() {
    let counters = Counters::start();
    let db = TestDb::new().await;
    let only = PoolOptions { max_connections: 1, ..PoolOptions::new(db.url.clone()) };
    let only = pool::connect(&only).await.unwrap();
    let it = Running::start_on(db, only.clone(), config()).await;
    let taken = only.acquire().await.unwrap();
    unavailable(&it, "taken").await;
    assert_eq!(counters.refused("not_durable"), 1);
    drop(taken);
    assert_eq!(answer(it.bolna(execution("e-1"))).await.0, 200);
    assert_eq!(it.stored().await, (1, 1, 0));
    it.stop().await;
}

/// What PostgreSQL says without room, without memory, while it starts, while it
/// is a standby, and when a rival was in the way.
#[tokio::test]
async fn bad_input_34_a_database_that_cannot_write_now() {
    let counters = Counters::start();
    let it = Running::start().await;
    for statement in [
        "CREATE TABLE public.refusal AS SELECT ''::text AS code",
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = (SELECT code FROM public.refusal); END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON tally.inbox FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    ] {
        sqlx::query(statement).execute(&it.db.admin).await.unwrap();
    }
    for (code, name) in [
        ("53100", "disk full"),
        ("53200", "out of memory"),
        ("57P03", "starting"),
        ("25006", "read only"),
        ("40P01", "deadlock"),
        ("58030", "I/O error"),
    ] {
        sqlx::query("UPDATE public.refusal SET code = $1").bind(code).execute(&it.db.admin).await.unwrap();
        unavailable(&it, name).await;
    }
    assert_eq!(counters.refused("not_durable"), 6);
    assert_eq!(it.stored().await, (0, 0, 0), "nothing is refused for good");
    sqlx::query("DROP TRIGGER refuse ON tally.inbox").execute(&it.db.admin).await.unwrap();
    assert_eq!(answer(it.bolna(execution("e-1"))).await, (200, r#"{"status":"accepted"}"#.to_owned()));
    it.stop().await;
}

/// The database's answer is withheld from the process, so that its COMMIT has
/// happened and it does not know; then it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_35_killed_between_the_commit_and_the_answer() {
    let db = TestDb::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let tenant = add_tenant(&mut conn, "a@example.test").await;
    add_agent(&mut conn, tenant.user_id, "agent-1", "Asha").await.unwrap();
    drop(conn);
    let options = PgConnectOptions::from_str(&db.url).unwrap();
    let upstream = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::to(upstream.clone()).await;
    let behind = db.url.replacen(&format!("@{upstream}"), &format!("@{}", proxy.address), 1);
    let site = Site::new(&db);
    let daemon = site.start_with(&[("DATABASE_URL", &behind)]).await;
    let own = endpoint(&tenant, Provider::Bolna);
    let send = |id: &str| {
        let url = format!("http://{}/webhooks/bolna/{}", site.address, own.endpoint);
        reqwest::Client::new().post(url).bearer_auth(&own.secret).body(execution(id)).timeout(PATIENCE)
    };
    assert_eq!(answer(send("e-0")).await.0, 200);
    let stored = async |rows: i64| {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tally.inbox").fetch_one(&db.admin).await.unwrap() == rows
    };
    // The statement that holds the event is its own transaction.
    proxy.hold_answers_from(r#""id":"e-1""#);
    let unanswered = tokio::spawn(send("e-1").send());
    wait_until("the event is committed", PATIENCE, async || stored(2).await).await;
    assert!(!unanswered.is_finished(), "nobody was told");
    daemon.kill();
    assert!(unanswered.await.unwrap().is_err());

    let _daemon = site.start().await;
    assert_eq!(answer(send("e-1")).await, duplicate());
    let applied = "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM tally.call_events)";
    wait_until("both are applied", PATIENCE, async || {
        sqlx::query_as::<_, (i64, i64)>(applied).fetch_one(&db.admin).await.unwrap() == (2, 2)
    })
    .await;
    assert!(stored(2).await);
}
