//! Claims whose process or answer got lost, and what had been asked meanwhile.

use std::time::Duration;

use sqlx::PgPool;
use tallyline_queue::{
    NewJob, Queue,
    store::{self, Cancelled, ClaimTerms, ClaimedRow, RescueTerms, Rescued, Verdict},
};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::scripted::{Brief, LONG, Quick, Refresh, count, end_leases, enqueue, outcomes, request, sql};

async fn lease(pool: &PgPool) -> Uuid {
    let id = Uuid::new_v4();
    store::register_lease(pool, id, "test", LONG).await.unwrap();
    id
}

async fn claim(pool: &PgPool, lease_id: Uuid) -> Vec<ClaimedRow> {
    let terms = ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG };
    store::claim(pool, &terms, lease_id, 10).await.unwrap()
}

async fn rescue(pool: &PgPool) -> Vec<Rescued> {
    let terms = RescueTerms { deadline_margin: LONG, ..Default::default() };
    store::rescue(pool, &terms).await.unwrap()
}

/// Broken by hand: without `attempt >= max_attempts` in rescue.sql a job that may be
/// tried once is tried again.
#[tokio::test]
async fn a_job_lost_at_its_last_attempt_is_buried() {
    let db = TestDb::new().await;
    let job = enqueue(&db, &Brief { n: 1 }).await;
    let mine = lease(&db.pool).await;
    assert_eq!(claim(&db.pool, mine).await.len(), 1);
    end_leases(&db).await;
    assert!(rescue(&db.pool).await[0].dead, "it had one attempt");
    assert_eq!(outcomes(&db, job).await, ["lost"]);
    let reason = "SELECT count(*) FROM tally.dead_jobs WHERE reason = 'lost at attempt 1 of 1'";
    assert_eq!(count(&db, reason).await, 1);
}

/// Broken by hand: with the request to cancel left on the row, the job waits and
/// is run by the next process.
#[tokio::test]
async fn a_job_that_was_cancelled_before_its_claim_was_given_back_never_runs() {
    let db = TestDb::new().await;
    let mut connection = db.pool.acquire().await.unwrap();
    let job = NewJob::of(&Quick { n: 1 }).unwrap().unique(tallyline_queue::Unique::live("once"));
    let job = Queue::new().enqueue(&mut connection, job).await.unwrap().job_id();
    let mine = lease(&db.pool).await;
    assert_eq!(claim(&db.pool, mine).await.len(), 1);
    assert_eq!(store::cancel(&db.pool, job, "not wanted").await.unwrap(), Cancelled::Requested);
    // The answer to the claim got lost, so its process knows of nothing.
    assert_eq!(store::release_unknown(&db.pool, "default", mine, &[]).await.unwrap(), 1);
    assert!(claim(&db.pool, mine).await.is_empty(), "it was cancelled");
    assert_eq!(outcomes(&db, job).await, ["cancelled"]);
    let left = "SELECT (SELECT count(*) FROM tally.jobs) + (SELECT count(*) FROM tally.job_keys)";
    assert_eq!(count(&db, left).await, 0);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history WHERE error = 'not wanted'").await, 1);
}

/// Broken by hand: with `run_at` left as the request set it, the first request
/// waits for the second one's hour.
#[tokio::test]
async fn a_request_for_later_does_not_delay_a_claim_that_is_given_back() {
    let db = TestDb::new().await;
    let job = request(&db, "all").await;
    let mine = lease(&db.pool).await;
    assert_eq!(claim(&db.pool, mine).await.len(), 1);
    let mut connection = db.pool.acquire().await.unwrap();
    let hour = Duration::from_secs(3_600);
    assert_eq!(Queue::new().request::<Refresh>(&mut connection, "all", None, hour).await.unwrap(), job);
    assert_eq!(store::release_unknown(&db.pool, "default", mine, &[]).await.unwrap(), 1);
    assert_eq!(claim(&db.pool, mine).await.len(), 1, "the first request was due at once");
}

/// A rescue looks at the leases and takes its time. Meanwhile another one takes
/// the job back, and a process that started after the look claims it. Broken by
/// hand: without `j.lease_id = d.lease_id` in rescue.sql the slow one takes the job
/// from its living owner, since it has never seen that lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_rescue_leaves_a_job_to_its_new_owner() {
    let db = TestDb::new().await;
    enqueue(&db, &Quick { n: 1 }).await;
    let old = lease(&db.pool).await;
    assert_eq!(claim(&db.pool, old).await.len(), 1);
    end_leases(&db).await;
    // Whoever is not the administrator reads leases one by one, through a gate.
    sql(
        &db,
        "CREATE FUNCTION public.pass() RETURNS boolean LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN true; END $$;
         ALTER TABLE tally.job_leases ENABLE ROW LEVEL SECURITY;
         CREATE POLICY slowly ON tally.job_leases USING (public.pass());",
    )
    .await;
    let mut gate = db.admin.begin().await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(1)").execute(&mut *gate).await.unwrap();
    let pool = db.pool.clone();
    let slow = tokio::spawn(async move { rescue(&pool).await });
    wait_until("the slow rescue reads the leases", LONG, async || {
        count(&db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").await == 1
    })
    .await;

    assert_eq!(rescue(&db.admin).await.len(), 1);
    let new = lease(&db.admin).await;
    let rows = claim(&db.admin, new).await;
    assert_eq!(rows.len(), 1);
    gate.rollback().await.unwrap();
    assert!(slow.await.unwrap().is_empty(), "it took the job from a process that lives");

    let report = store::Report {
        job_id: rows[0].id,
        claim: rows[0].claims,
        lease_id: new,
        coalesced: false,
        ending: store::Ending::Succeeded,
        duration: Duration::ZERO,
        log: None,
    };
    let verdicts = store::complete(&mut db.admin.acquire().await.unwrap(), &[report], true).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Accepted { .. }]));
}
