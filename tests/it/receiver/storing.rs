//! What is acknowledged is stored once; many requests share a COMMIT.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sqlx::{Postgres, Transaction};
use tallyline_model::Provider;
use tallyline_testkit::wait_until;
use tokio::time::timeout;

use super::support::{PATIENCE, Running, add_tenant, answer, config, endpoint, execution};

fn accepted() -> (u16, String) {
    (200, r#"{"status":"accepted"}"#.to_owned())
}

fn duplicate() -> (u16, String) {
    (200, r#"{"status":"duplicate"}"#.to_owned())
}

#[tokio::test]
async fn an_accepted_event_is_in_the_inbox_as_it_came_and_pending() {
    let it = Running::start().await;
    // White space and escapes are part of what was sent.
    let body = " {\"id\": \"e-1\",\n \"note\": \"Zo\\u00eb \u{1F600}\"} ";
    assert_eq!(answer(it.bolna(body).header("user-agent", "bolna/1")).await, accepted());
    timeout(PATIENCE, it.inbox_hint.notified()).await.expect("a hint after the COMMIT");

    let row: (uuid::Uuid, String, String, Vec<u8>, String, bool, bool) = sqlx::query_as(
        "SELECT i.user_id, i.provider, i.endpoint, i.body, i.headers::text,
             i.body_sha256 = sha256(i.body), p.received_at = i.received_at AND p.state = 'ready'
         FROM tally.inbox i JOIN tally.inbox_pending p ON p.user_id = i.user_id AND p.inbox_id = i.id",
    )
    .fetch_one(&it.db.admin)
    .await
    .unwrap();
    assert_eq!((row.0, row.1.as_str()), (it.tenant.user_id, "bolna"));
    assert_eq!(row.2, endpoint(&it.tenant, Provider::Bolna).endpoint);
    assert_eq!(row.3, body.as_bytes());
    assert!(row.4.contains("bolna/1") && row.4.contains("current"), "{}", row.4);
    assert!(!row.4.to_lowercase().contains("bearer"), "no secret is kept");
    assert!(row.5 && row.6);
    it.stop().await;
}

#[tokio::test]
async fn the_same_body_is_one_event_of_each_tenant() {
    let it = Running::start().await;
    assert_eq!(answer(it.bolna(execution("e-1"))).await, accepted());
    assert_eq!(answer(it.bolna(execution("e-1"))).await, duplicate());
    assert_eq!(answer(it.bolna(execution("e-2"))).await, accepted());
    let other = add_tenant(&mut it.db.pool.acquire().await.unwrap(), "b@example.test").await;
    let other = endpoint(&other, Provider::Bolna);
    let request = it.post(&format!("/webhooks/bolna/{}", other.endpoint), execution("e-1")).bearer_auth(other.secret);
    assert_eq!(answer(request).await, accepted());
    assert_eq!(it.stored().await, (3, 3, 0));
    it.stop().await;
}

/// Keeps the receiver's only committer waiting: an open transaction has inserted
/// the event that it is about to write. Returns once it waits.
async fn block_the_committer<'a>(it: &Running, body: &str) -> Transaction<'a, Postgres> {
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body)
         VALUES ($1, 'bolna', 'blocking', sha256($2), $2)",
    )
    .bind(it.tenant.user_id)
    .bind(body.as_bytes())
    .execute(&mut *blocking)
    .await
    .unwrap();
    let request = it.bolna(body);
    tokio::spawn(async move { request.send().await });
    wait_until("the committer waits for the transaction", PATIENCE, async || {
        it.count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
            > 0
    })
    .await;
    blocking
}

/// A receiver with one committer, and `max_in_flight` places in its queue.
async fn with_places(max_in_flight: usize) -> Running {
    let mut config = config();
    config.receiver.committers = 1;
    config.receiver.max_in_flight = max_in_flight;
    config.receiver.acknowledge_deadline_milliseconds = 20_000;
    Running::start_with(config).await
}

type Answered = (String, (u16, String));

/// Sends one event more than there are places while nothing is committed. One of
/// them is sent away at once, and that is how we know that all others wait.
/// Then lets the committer go on; returns the others' answers.
async fn fill_the_queue(it: &Running, ids: Vec<String>) -> Vec<Answered> {
    let blocking = block_the_committer(it, &execution("first")).await;
    let mut sending: FuturesUnordered<_> = ids
        .into_iter()
        .map(|id| {
            let request = it.bolna(execution(&id));
            async move { (id, answer(request).await) }
        })
        .collect();
    let (_, refused) = timeout(PATIENCE, sending.next()).await.unwrap().unwrap();
    assert_eq!(refused, (503, String::new()));
    blocking.rollback().await.unwrap();
    sending.collect().await
}

/// `xmin` is the transaction that inserted a row. Broken by hand: with a
/// `max_group` of 1 in `GroupCommit::start` there are 65 of them.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_together_share_a_commit() {
    let it = with_places(64).await;
    let answers = fill_the_queue(&it, (0..65).map(|n| format!("e-{n}")).collect()).await;
    assert_eq!(answers.len(), 64);
    assert!(answers.iter().all(|(_, one)| *one == accepted()), "{answers:?}");
    // The first event, whose sender nobody waits for, went alone.
    assert_eq!(it.stored().await, (65, 65, 0));
    assert_eq!(it.count("SELECT count(DISTINCT xmin::text) FROM tally.inbox").await, 2);
    it.stop().await;
}

/// Broken by hand: without the retry one by one all of the group are refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_database_refuses_harms_no_other() {
    let it = with_places(20).await;
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22P05'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON tally.inbox FOR EACH ROW
             WHEN (position('poison'::bytea IN NEW.body) > 0) EXECUTE FUNCTION refuse()",
    ] {
        sqlx::query(statement).execute(&it.db.admin).await.unwrap();
    }
    // Two of them, since one may be the one that finds no place.
    let ids = (0..21).map(|n| if n % 10 == 5 { format!("poison-{n}") } else { format!("e-{n}") });
    let answers = fill_the_queue(&it, ids.collect()).await;
    let refused = (400, r#"{"error":"not_storable"}"#.to_owned());
    for (id, one) in &answers {
        assert_eq!(*one, if id.starts_with("poison") { refused.clone() } else { accepted() }, "{id}");
    }
    let poisoned = answers.iter().filter(|(id, _)| id.starts_with("poison")).count() as i64;
    let stored = 1 + answers.len() as i64 - poisoned;
    assert!(poisoned >= 1);
    assert_eq!(it.stored().await, (stored, stored, poisoned));
    it.stop().await;
}

#[tokio::test]
async fn requests_under_way_are_answered_when_the_process_stops() {
    let it = Running::start().await;
    let mut blocking = it.db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE tally.inbox IN EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    let request = tokio::spawn(answer(it.bolna(execution("e-1"))));
    wait_until("the event is about to be written", PATIENCE, async || {
        it.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0
    })
    .await;
    let stopping = tokio::spawn(it.stop());
    blocking.rollback().await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), request).await.unwrap().unwrap(), accepted());
    drop(stopping.await.unwrap());
}
