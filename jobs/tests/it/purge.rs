//! Purges: what is past its retention goes, what is younger stays.

use std::time::Duration;

use tallyline_jobs::registry;
use tallyline_queue::Runner;
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::caches::deps;
use crate::support::*;

/// A table and how a row of a given age, in days, comes into it. `$1` tenant, `$2` name of the row, `$3` days.
struct Case {
    what: &'static str,
    /// The retention that the tests set.
    days: f64,
    insert: &'static str,
    /// Names of the rows that are left.
    left: &'static str,
}

const LOGIN: Case = Case {
    what: "login_attempts",
    days: 30.0,
    insert: "INSERT INTO login_attempts (email, attempted_at) SELECT $2, now() - make_interval(secs => $3 * 86400) WHERE $1 IS NOT NULL",
    left: "SELECT email FROM login_attempts ORDER BY 1",
};

const RESET: Case = Case {
    what: "password_reset_attempts",
    days: 7.0,
    insert: "INSERT INTO password_reset_attempts (email, attempted_at) SELECT $2, now() - make_interval(secs => $3 * 86400) WHERE $1 IS NOT NULL",
    left: "SELECT email FROM password_reset_attempts ORDER BY 1",
};

const SESSION: Case = Case {
    what: "user_sessions",
    days: 5.0,
    insert: "INSERT INTO user_sessions (user_id, token_hash, expires_at) VALUES ($1, $2, now() - make_interval(secs => $3 * 86400))",
    left: "SELECT token_hash FROM user_sessions ORDER BY 1",
};

const REFRESHABLE: Case = Case {
    insert: "INSERT INTO user_sessions (user_id, token_hash, expires_at, refresh_token_hash, refresh_expires_at)
             VALUES ($1, $2, now() - interval '1 year', $2, now() - make_interval(secs => $3 * 86400))",
    ..SESSION
};

const CACHE: Case = Case {
    what: "dashboard_cache",
    days: 2.0,
    insert: "INSERT INTO dashboard_cache (user_id, cache_key, cache_data, generation, expires_at)
             VALUES ($1, $2, '{}', 1, now() - make_interval(secs => $3 * 86400))",
    left: "SELECT cache_key FROM dashboard_cache ORDER BY 1",
};

const BODY: Case = Case {
    what: "inbox_bodies",
    days: 90.0,
    insert: "INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body, received_at)
             VALUES ($1, 'bolna', $2, sha256($2::bytea), '{}', now() - make_interval(secs => $3 * 86400))",
    left: "SELECT endpoint FROM tally.inbox WHERE body IS NOT NULL ORDER BY 1",
};

const QUARANTINE: Case = Case {
    what: "quarantine",
    days: 91.0,
    insert: "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, body, received_at, created_at)
             VALUES ($1, 'bolna', $2, 'no_id', '', now(), now() - make_interval(secs => $3 * 86400))",
    left: "SELECT endpoint FROM tally.quarantine ORDER BY 1",
};

const HISTORY: Case = Case {
    what: "job_history",
    days: 14.0,
    insert: "INSERT INTO tally.job_history (job_id, claim, queue, kind, user_id, attempt, outcome, queued_at, started_at, finished_at, lease_id)
             VALUES (1, 1, 'default', $2, $1, 1, 'succeeded', now(), now(), now() - make_interval(secs => $3 * 86400), gen_random_uuid())",
    left: "SELECT kind FROM tally.job_history WHERE kind <> 'purge_expired' ORDER BY 1",
};

const DEAD: Case = Case {
    what: "dead_jobs",
    days: 60.0,
    insert: "INSERT INTO tally.dead_jobs (job_id, claims, kind, queue, user_id, payload, priority, attempts, max_attempts, reason, created_at, dead_at)
             VALUES (1, 1, $2, 'default', $1, '{}', 1, 1, 1, 'failed', now(), now() - make_interval(secs => $3 * 86400))",
    left: "SELECT kind FROM tally.dead_jobs ORDER BY 1",
};

const FIRE: Case = Case {
    what: "schedule_fires",
    days: 13.0,
    insert: "INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at)
             SELECT $2, now(), 1, 'enqueued', now() - make_interval(secs => $3 * 86400) WHERE $1 IS NOT NULL",
    left: "SELECT schedule FROM tally.schedule_fires ORDER BY 1",
};

const BACKFILL: Case = Case {
    what: "backfills",
    days: 61.0,
    insert: "WITH b AS (
                 INSERT INTO tally.backfills (mode, method, state, reason, finished_at)
                 VALUES ('all', 'scan', 'done', $2, now() - make_interval(secs => $3 * 86400)) RETURNING id)
             INSERT INTO tally.backfill_units (user_id, backfill_id, from_time, to_time, days, calls, state, finished_at)
             SELECT $1, b.id, n, n + interval '1 day', 1, 1, 'done', now()
             FROM b, generate_series('2026-01-01Z'::timestamptz, '2026-01-03Z', '1 day') n",
    left: "SELECT reason FROM tally.backfills b WHERE 3 = (SELECT count(*) FROM tally.backfill_units n WHERE n.backfill_id = b.id) ORDER BY 1",
};

const DIFFERENCE: Case = Case {
    what: "audit_differences",
    days: 31.0,
    insert:
        "INSERT INTO tally.audit_differences (user_id, found_by, figure, compared_with, expected, found, detected_at)
             VALUES ($1, 'full', $2, 'ledger', '1', '2', now() - make_interval(secs => $3 * 86400))",
    left: "SELECT figure FROM tally.audit_differences ORDER BY 1",
};

const CHECK: Case = Case {
    what: "provider_checks",
    days: 40.0,
    insert: "INSERT INTO tally.provider_checks (user_id, provider, ref, result, first_checked_at, checked_at, next_check_at)
             SELECT $1, 'bolna', $2, 'unknown', at, at, now() FROM (SELECT now() - make_interval(secs => $3 * 86400) AS at) t",
    left: "SELECT ref FROM tally.provider_checks ORDER BY 1",
};

/// A minute before and after the retention, in days.
const MINUTE: f64 = 1.0 / 1440.0;

async fn insert(db: &TestDb, case: &Case, user: Uuid, name: &str, days: f64) {
    sqlx::query(case.insert).bind(user).bind(name).bind(days).execute(&db.admin).await.unwrap();
}

async fn purge(db: &TestDb) {
    let worker = Runner::builder(db.pool.clone(), registry().unwrap(), deps(db, 3600)).start().unwrap();
    sqlx::query("SELECT tally.request_job('purge_expired', 'schedule:purge-nightly')")
        .execute(&db.admin)
        .await
        .unwrap();
    let done = "SELECT count(*) FROM tally.job_history WHERE kind = 'purge_expired' AND outcome = 'succeeded'";
    wait_until("the purge is over", Duration::from_secs(60), || async { number(db, done).await > 0 }).await;
    worker.shutdown(Duration::from_secs(5)).await;
}

async fn names(db: &TestDb, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&db.admin).await.unwrap()
}

/// Of two rows that lie a minute on either side of the retention the older one goes.
async fn check(case: Case) {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    insert(&db, &case, user, "old", case.days + MINUTE).await;
    insert(&db, &case, user, "young", case.days - MINUTE).await;
    purge(&db).await;
    assert_eq!(names(&db, case.left).await, ["young"], "{}", case.what);
}

// For each the break tried is its line in `purge_expired` left out (the old row stays), and its comparison
// turned round (the young row goes).

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_attempts_go_after_their_time() {
    check(LOGIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_reset_attempts_go_after_their_time() {
    check(RESET).await;
}

/// One without a refresh token never was purged in the predecessor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_go_after_their_time_with_or_without_a_refresh_token() {
    check(SESSION).await;
    check(REFRESHABLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_go_after_their_time() {
    check(CACHE).await;
}

/// The row of the inbox stays, so that the same body sent again is still a duplicate; a body that is still
/// to be applied, or that lies in quarantine, stays too. Breaks tried: DELETE instead of UPDATE; each
/// NOT EXISTS left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_go_after_their_time_and_their_hashes_stay() {
    check(BODY).await;
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for name in ["applied", "pending", "quarantined"] {
        insert(&db, &BODY, user, name, 400.0).await;
    }
    sqlx::raw_sql(
        "INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at, not_before)
         SELECT user_id, id, received_at, 'infinity' FROM tally.inbox WHERE endpoint = 'pending';
         INSERT INTO tally.quarantine (user_id, provider, endpoint, inbox_id, reason, received_at)
         SELECT user_id, provider, endpoint, id, 'unknown_agent', received_at FROM tally.inbox WHERE endpoint = 'quarantined'",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    purge(&db).await;
    assert_eq!(names(&db, BODY.left).await, ["pending", "quarantined"]);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox").await, 3);
    assert!(!deliver(&db, user, "bolna", b"applied").await, "sent again it is a duplicate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantine_goes_after_its_time() {
    check(QUARANTINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_jobs_goes_after_its_time() {
    check(HISTORY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_go_after_their_time() {
    check(DEAD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fires_of_schedules_go_after_their_time() {
    check(FIRE).await;
}

/// With their units; what runs stays however old it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backfills_go_after_their_time_with_their_units() {
    check(BACKFILL).await;
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    insert(&db, &BACKFILL, user, "runs", 400.0).await;
    insert(&db, &BACKFILL, user, "gone", 400.0).await;
    sqlx::query("UPDATE tally.backfills SET state = 'running', finished_at = NULL, created_at = '2020-01-01Z' WHERE reason = 'runs'")
        .execute(&db.admin)
        .await
        .unwrap();
    purge(&db).await;
    assert_eq!(names(&db, BACKFILL.left).await, ["runs"]);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.backfill_units").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settled_differences_go_after_their_time() {
    check(DIFFERENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_of_what_providers_were_asked_go_after_their_time() {
    check(CHECK).await;
}

/// More rows than one statement takes. Break tried: one batch only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_after_batch_until_nothing_is_left() {
    let db = TestDb::new().await;
    sqlx::raw_sql("INSERT INTO login_attempts (email, attempted_at) SELECT n::text, now() - interval '1 year' FROM generate_series(1, 20500) n")
        .execute(&db.admin)
        .await
        .unwrap();
    purge(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM login_attempts").await, 0);
}
