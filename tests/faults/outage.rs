//! The database goes away under traffic, for a while; nothing is lost, and what
//! waited on disk is counted soon after.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tallyline_testkit::{Proxy, TestDb, wait_until};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::daemon::{Site, text};

const EVENTS_A_SECOND: u32 = 50;
/// From the end of the outage until everything is in calls.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

/// The shorter one of the two.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_fifteen_seconds_loses_nothing() {
    outage(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes eleven minutes; prints its figures"]
async fn an_outage_of_ten_minutes_loses_nothing() {
    outage(Duration::from_secs(600)).await;
}

async fn outage(length: Duration) {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let (endpoint, secret) = tenant(&site);
    let (url, proxy) = Proxy::before(&db.url).await;
    let spool = site.file("spool");
    let variables = [("DATABASE_URL", url.as_str()), ("TALLYLINE_RECEIVER__SPOOL_DIR", spool.to_str().unwrap())];
    let _daemon = site.start_with(&variables).await;

    let http = reqwest::Client::new();
    let send = |n: u64| {
        let body = json!({ "id": format!("execution-{n}"), "agent_id": "agent-1", "status": "completed",
            "conversation_duration": 31, "created_at": "2026-01-05T10:00:00Z", "transcript": "x".repeat(1_500) });
        let request = http.post(&endpoint).bearer_auth(&secret).body(body.to_string());
        async move { request.send().await.map(|response| response.status().as_u16()) }
    };
    let mut answers = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / EVENTS_A_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    let (before, after) = (Duration::from_secs(2), Duration::from_secs(2));
    let (mut sent, mut cut, mut mended) = (0, None, None);
    while began.elapsed() < before + length + after {
        ticks.tick().await;
        if cut.is_none() && began.elapsed() >= before {
            proxy.cut();
            cut = Some(Instant::now());
        }
        if mended.is_none() && began.elapsed() >= before + length {
            proxy.mend();
            mended = Some(Instant::now());
        }
        answers.spawn(send(sent));
        sent += 1;
    }
    let answers = answers.join_all().await;
    let with = |status: u16| answers.iter().filter(|answer| matches!(answer, Ok(it) if *it == status)).count();
    let (stored, spooled) = (with(200), with(202));
    assert_eq!(stored + spooled, answers.len(), "every webhook is acknowledged");
    let least = length.as_secs() as usize * EVENTS_A_SECOND as usize * 9 / 10;
    assert!(spooled >= least, "{spooled} went to the spool, {least} at least should have");

    let counted =
        async || -> i64 { sqlx::query_scalar("SELECT count(*) FROM calls").fetch_one(&db.admin).await.unwrap() };
    wait_until("everything is in calls", DRAINED_WITHIN, async || counted().await == sent as i64).await;
    let took = mended.unwrap().elapsed();
    let left = std::fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().path());
    let left = left.filter(|path| path.extension().is_some_and(|it| it == "spool")).count();
    assert_eq!(left, 0, "files are left");
    println!(
        "{} s of outage at {EVENTS_A_SECOND}/s: {sent} sent, {spooled} spooled, 0 lost, all in calls {:.1} s after its end",
        length.as_secs(),
        took.as_secs_f64(),
    );
}

/// The address and the secret of a new tenant's Bolna endpoint.
fn tenant(site: &Site) -> (String, String) {
    let output = site.run(&["tenant", "add", "--name", "Acme", "--email", "a@example.com", "--json"]);
    let added: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    let user = added["user_id"].as_str().unwrap();
    let agent = site.run(&["agent", "add", user, "--bolna-agent-id", "agent-1", "--name", "Asha"]);
    assert!(agent.status.success(), "{}", text(&agent));
    let bolna = added["endpoints"].as_array().unwrap().iter().find(|e| e["provider"] == "bolna").unwrap().clone();
    (bolna["url"].as_str().unwrap().to_owned(), bolna["secret"].as_str().unwrap().to_owned())
}
