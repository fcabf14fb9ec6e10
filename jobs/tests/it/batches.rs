//! How much one transaction takes on: events, and the bytes of their bodies.

use serde_json::json;
use tallyline_jobs::process_call_events::{Options, run_unit};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

const PENDING_BYTES: &str = "SELECT coalesce(sum(octet_length(i.body)), 0)::bigint
     FROM tally.inbox_pending p JOIN tally.inbox i ON i.user_id = p.user_id AND i.id = p.inbox_id";

/// The end of a call, in a body with so much more of what nobody reads.
async fn deliver_end(db: &TestDb, user: Uuid, id: &str, more_bytes: usize) {
    let body = bolna(id, "completed", 10, json!({ "padding": "x".repeat(more_bytes) }));
    assert!(deliver(db, user, "bolna", &body).await);
}

/// Units until nothing is due: how many events each took, and bytes. No lane may be left counted.
async fn batches(db: &TestDb, options: &Options) -> Vec<(usize, i64)> {
    let mut batches = Vec::new();
    loop {
        let before = number(db, PENDING_BYTES).await;
        let taken = run_unit(&db.pool, options).await.unwrap();
        if taken == 0 {
            return batches;
        }
        batches.push((taken, before - number(db, PENDING_BYTES).await));
        assert_eq!(number(db, "SELECT sum(claims) FROM tally.lanes").await, 0, "{batches:?}");
    }
}

/// Breaks tried, on the statement by itself: no bound (80 events of 40 MB); by the order of receipt
/// instead of the bytes ahead in each lane (8 large ones, and none of the small).
#[tokio::test]
async fn large_bodies_come_in_batches_within_the_budget_and_keep_no_other_tenant_waiting() {
    let db = TestDb::new().await;
    let large = tenant(&db, "UTC").await;
    for n in 0..20 {
        deliver_end(&db, large, &format!("large-{n}"), 2_000_000).await;
    }
    for _ in 0..2 {
        let small = tenant(&db, "UTC").await;
        for n in 0..30 {
            deliver_end(&db, small, &format!("small-{n}"), 0).await;
        }
    }
    let options = process_options();
    let batches = batches(&db, &options).await;
    assert!(batches.iter().all(|(_, bytes)| *bytes <= options.batch_bytes), "{batches:?}");
    let events: Vec<usize> = batches.iter().map(|(events, _)| *events).collect();
    assert_eq!(events, [8 + 60, 8, 4], "{batches:?}");
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE completed_at IS NOT NULL").await, 80);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
}

/// Break tried, on the statement by itself: none taken when the first has no room.
#[tokio::test]
async fn an_event_beyond_the_budget_comes_alone_the_oldest_first() {
    let db = TestDb::new().await;
    let (one, other) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    for n in 0..6 {
        deliver_end(&db, if n % 2 == 0 { one } else { other }, &format!("call-{n}"), 100).await;
    }
    let options = Options { batch_bytes: 1, ..process_options() };
    for n in 1..=6 {
        assert_eq!(run_unit(&db.pool, &options).await.unwrap(), 1);
        assert_eq!(number(&db, "SELECT sum(claims) FROM tally.lanes").await, 0);
        let stored: Vec<String> =
            sqlx::query_scalar("SELECT bolna_execution_id FROM calls ORDER BY 1").fetch_all(&db.admin).await.unwrap();
        assert_eq!(stored, (0..n).map(|n| format!("call-{n}")).collect::<Vec<_>>());
    }
}

/// What waited for an execution comes with it, as far as there is room; what has none is woken.
#[tokio::test]
async fn carrier_events_that_waited_fill_what_is_left_of_the_budget() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let sid = "CA00000000000000000000000000000001";
    for sequence in 0..5 {
        let form = format!(
            "CallSid={sid}&CallStatus=ringing&Direction=outbound-api&SequenceNumber={sequence}&More={}",
            "x".repeat(300_000)
        );
        deliver(&db, user, "twilio", form.as_bytes()).await;
    }
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending WHERE state = 'waiting'").await, 5);
    deliver_end(&db, user, "call-1", 0).await;
    let options = Options { batch_bytes: 1_000_000, ..process_options() };
    let batches = batches(&db, &options).await;
    assert_eq!(batches.iter().map(|(events, _)| *events).collect::<Vec<_>>(), [4, 2], "{batches:?}");
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 6);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
}
