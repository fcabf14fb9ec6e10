//! Processes are killed and connections cut in the middle of traffic; in the end
//! everything that was acknowledged is counted once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backfill;
mod batches;
mod circumstances;
mod commits;
#[path = "../support/daemon.rs"]
mod daemon;
mod daemon_kills;
mod disks;
mod harness;
mod mixed;
mod mutations;
mod network;
mod outage;
mod points;
mod postgres_kills;
mod proof;
mod zombies;

use std::time::Duration;

use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, ended_well, text};

async fn applied(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tally.call_events").fetch_one(&db.admin).await.unwrap()
}

/// Waits until more events than before are applied and, at this moment, a batch
/// is being applied: its transaction has written and not committed.
async fn in_the_middle(db: &TestDb, more_than: i64) {
    wait_until("a batch is being applied", Duration::from_secs(60), || async {
        applied(db).await > more_than && writing(db).await
    })
    .await;
}

async fn writing(db: &TestDb) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE c.relname = 'call_events' AND l.mode = 'RowExclusiveLock' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap()
}

/// What was received and is in no call, for a failure's message.
async fn left_over(db: &TestDb) -> String {
    let sql = "SELECT concat_ws(' ', (SELECT string_agg(concat_ws(' ', provider, reason, detail), '; ') FROM tally.quarantine),
                   (SELECT string_agg(concat_ws(' ', state, claims, not_before), '; ') FROM tally.inbox_pending),
                   (SELECT string_agg(concat_ws(' ', provider, call_id), '; ') FROM tally.call_events e
                    WHERE NOT EXISTS (SELECT FROM calls c WHERE c.user_id = e.user_id AND c.id = e.call_id)),
                   (SELECT string_agg(concat_ws(' ', e.provider, e.call_id, e.facts), '; ') FROM tally.call_events e
                    WHERE e.provider = 'analysis' AND NOT EXISTS
                        (SELECT FROM lead_analytics l WHERE l.user_id = e.user_id AND l.call_id = e.call_id)))";
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

async fn check(site: &Site, db: &TestDb, ledger: &std::path::Path) {
    let verified = site.verify(ledger);
    assert!(verified.status.success(), "{}\n{}", text(&verified), left_over(db).await);
    let ledger_differs: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM calls c WHERE c.credits_micros <> -coalesce(
             (SELECT sum(t.amount_micros) FROM credit_transactions t WHERE t.user_id = c.user_id AND t.call_id = c.id), 0)",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    assert_eq!(ledger_differs, 0, "a call was not charged exactly once");
}

/// Break tried: deleting the pending rows in a transaction of its own, before
/// the effects, loses the events of the batch that the kill hits.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_again_and_again_counts_everything_once() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let ledger = site.file("ledger.json");
    let mut daemon = site.start().await;
    let traffic = site.simulate("800", "11", &ledger);
    for _ in 0..6 {
        let before = applied(&db).await;
        in_the_middle(&db, before + 60).await;
        daemon.kill();
        daemon = site.start().await;
    }
    ended_well(traffic).await;
    check(&site, &db, &ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_nothing_and_count_nothing_twice() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let ledger = site.file("ledger.json");
    let _daemon = site.start().await;
    let traffic = site.simulate("600", "12", &ledger);
    for _ in 0..5 {
        let before = applied(&db).await;
        in_the_middle(&db, before + 80).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename <> current_user",
        )
        .execute(&db.admin)
        .await
        .unwrap();
    }
    ended_well(traffic).await;
    check(&site, &db, &ledger).await;
}

/// Two daemons on one database share the work; one is killed. Nothing is lost
/// and nothing is applied twice.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_daemons_one_is_killed() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    // It only works: the traffic goes to the first, which holds the keys.
    let second = Site::new(&db);
    let ledger = site.file("ledger.json");
    let _daemon = site.start().await;
    let other = second.start().await;
    let traffic = site.simulate("600", "13", &ledger);
    in_the_middle(&db, 300).await;
    other.kill();
    ended_well(traffic).await;
    check(&site, &db, &ledger).await;
}
