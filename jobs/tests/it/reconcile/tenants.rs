//! Many tenants: none sees another's calls, none waits for another's provider.

use std::time::Duration;

use tallyline_jobs::registry;
use tallyline_queue::Runner;
use tallyline_testkit::front::Fault;
use tallyline_testkit::wait_until;

use super::*;
use crate::caches::deps;

/// Break tried: `known_executions.sql` without the tenant (the second tenant's call is taken for known).
#[tokio::test]
async fn equal_execution_ids_of_two_tenants_do_not_mix() {
    let db = TestDb::new().await;
    let (one, two) = (Bolna::start(KEY).await, Bolna::start(KEY).await);
    let users = [bolna_tenant(&db, &one).await, bolna_tenant(&db, &two).await];
    let began = now(&db).await - TimeDelta::hours(1);
    one.change(|all| all.put(completed(CALL, began)));
    two.change(|all| all.put(completed(CALL, began)));
    for user in users {
        run(&db, user).await;
    }
    two.change(|all| all.put(in_status(CALL, "busy", began)));
    for user in users {
        run(&db, user).await;
    }
    let calls: Vec<(Uuid, i64, i64)> = sqlx::query_as(
        "SELECT c.user_id, count(*), sum(c.credits_micros)::bigint FROM calls c GROUP BY 1 ORDER BY c.user_id = $1 DESC",
    )
    .bind(users[0])
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(calls, [(users[0], 1, 1_000_000), (users[1], 1, 1_000_000)]);
    assert_eq!((one.fetched().len(), two.fetched().len()), (1, 2));
}

fn worker(db: &TestDb) -> Runner {
    Runner::builder(db.pool.clone(), registry().unwrap(), deps(db, 3600)).start().unwrap()
}

const ASK: &str = "SELECT tally.request_job('reconcile_all', 'schedule:reconcile-hourly')";
const SUCCEEDED: &str =
    "SELECT count(*) FROM tally.job_history WHERE kind = 'reconcile_calls' AND outcome = 'succeeded'";

/// The tenant whose provider always fails is the first in order; the others are reconciled, and its
/// failure is kept. Inactive tenants and the reserved account are not asked for. Breaks tried: either left out
/// of the conditions of `request_all.sql`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_57_a_poisoned_tenant_keeps_no_other_from_reconciliation() {
    let db = TestDb::new().await;
    let (bad, good) = (Bolna::start(KEY).await, Bolna::start(KEY).await);
    let began = now(&db).await - TimeDelta::hours(1);
    bad.front.always(Some(Fault::Status(500)));
    good.change(|all| all.put(completed(CALL, began)));
    let mut users = Vec::new();
    for _ in 0..4 {
        users.push(tenant(&db, "UTC").await);
    }
    users.sort();
    for (position, user) in users.iter().enumerate() {
        let bolna = if position == 0 { &bad } else { &good };
        account(&db, *user, Provider::Bolna, &bolna.front.base_url, None, KEY).await;
    }
    sqlx::query("UPDATE users SET is_active = false WHERE id = $1").bind(users[3]).execute(&db.admin).await.unwrap();
    sql(&db, "INSERT INTO users (id, email, name) VALUES ('00000000-0000-0000-0000-000000000001', 'system@example.test', 'System');
        INSERT INTO tally.provider_accounts (user_id, provider, base_url, sealed_key)
        VALUES ('00000000-0000-0000-0000-000000000001', 'bolna', 'https://api.example.com', '\\x00')").await;
    let worker = worker(&db);
    sql(&db, ASK).await;
    wait_until("the good ones are done", Duration::from_secs(60), || async { number(&db, SUCCEEDED).await == 2 }).await;
    wait_until("the bad one has failed", Duration::from_secs(60), || async {
        number(&db, "SELECT count(*) FROM tally.job_history WHERE kind = 'reconcile_calls' AND outcome = 'failed'")
            .await
            == 1
    })
    .await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'answered'").await, 2);
    let left: Vec<(Option<Uuid>, i32)> =
        sqlx::query_as("SELECT user_id, attempt FROM tally.jobs WHERE kind = 'reconcile_calls'")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(left, [(Some(users[0]), 1)], "it alone waits for its next try");
    assert_eq!(
        text(&db, "SELECT last_error FROM tally.provider_accounts WHERE last_error IS NOT NULL").await.as_deref(),
        Some("http_500")
    );
    worker.shutdown(Duration::from_secs(5)).await;
}

/// Break tried: the account's absence as an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_40_a_tenant_without_an_account_is_skipped_and_fails_nothing() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let worker = worker(&db);
    sql(&db, ASK).await;
    let asked = "SELECT count(*) FROM tally.job_history WHERE kind = 'reconcile_all' AND outcome = 'succeeded'";
    wait_until("all were asked for", Duration::from_secs(60), || async { number(&db, asked).await == 1 }).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.jobs").await, 0, "no job for a tenant without account");
    // Asked for by hand it does nothing, and well.
    sqlx::query("SELECT tally.request_job('reconcile_calls', 'tenant', $1, queue => 'reconcile')")
        .bind(user)
        .execute(&db.admin)
        .await
        .unwrap();
    wait_until("it is over", Duration::from_secs(60), || async { number(&db, SUCCEEDED).await == 1 }).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.job_history WHERE outcome <> 'succeeded'").await, 0);
    worker.shutdown(Duration::from_secs(5)).await;
}

/// The queue keeps a long pause, and a request of the wrong kind is not made again and again. Break tried:
/// every failure as `Retry`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_waits_as_long_as_the_provider_asks() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    bolna.front.next(Fault::TooMany(Some(3000)));
    let worker = worker(&db);
    sql(&db, ASK).await;
    let waits = "SELECT count(*) FROM tally.jobs WHERE kind = 'reconcile_calls' AND state = 'ready' AND run_at > now() + interval '2900 s'";
    wait_until("it waits", Duration::from_secs(60), || async { number(&db, waits).await == 1 }).await;
    assert_eq!(bolna.front.requests().len(), 1);

    bolna.front.next(Fault::Status(422));
    sqlx::query("UPDATE tally.jobs SET run_at = now() WHERE user_id = $1").bind(user).execute(&db.admin).await.unwrap();
    let dead = "SELECT count(*) FROM tally.dead_jobs WHERE kind = 'reconcile_calls'";
    wait_until("it is given up", Duration::from_secs(60), || async { number(&db, dead).await == 1 }).await;
    worker.shutdown(Duration::from_secs(5)).await;
}
