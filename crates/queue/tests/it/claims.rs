//! Who gets a job, and whose word counts.

use std::{collections::HashMap, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tallyline_queue::{
    NewJob, Queue,
    store::{self, ClaimTerms, Ending, Report, RescueTerms, Verdict},
};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::scripted::{LONG, Quick, World, count, end_leases, enqueue, outcomes, runner, stop, until_empty};

fn terms() -> ClaimTerms {
    ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG }
}

async fn lease(pool: &PgPool) -> Uuid {
    let id = Uuid::new_v4();
    store::register_lease(pool, id, "test", LONG).await.unwrap();
    id
}

fn report(row: &store::ClaimedRow, lease_id: Uuid) -> Report {
    Report {
        job_id: row.id,
        claim: row.claims,
        lease_id,
        coalesced: row.coalesce_key.is_some(),
        ending: Ending::Succeeded,
        duration: Duration::ZERO,
        log: None,
    }
}

async fn complete(pool: &PgPool, reports: &[Report]) -> Vec<Verdict> {
    store::complete(&mut pool.acquire().await.unwrap(), reports, true).await.unwrap()
}

async fn rescue(db: &TestDb) -> Vec<store::Rescued> {
    let terms = RescueTerms { deadline_margin: LONG, ..Default::default() };
    store::rescue(&db.pool, &terms).await.unwrap()
}

/// Claims go by the place of a row, so one that another claim has moved is not found
/// again; `SKIP LOCKED` only spares the wait. Broken by hand: with `id = ANY (…)` of
/// unlocked rows in place of that, jobs are claimed twice.
#[tokio::test(flavor = "multi_thread")]
async fn defect_44_twenty_claimers_take_each_of_20_000_jobs_once() {
    const JOBS: usize = 20_000;
    let db = TestDb::new().await;
    let jobs: Vec<NewJob> = (0..JOBS as u64).map(|n| NewJob::of(&Quick { n }).unwrap()).collect();
    Queue::new().enqueue_bulk(&mut db.pool.acquire().await.unwrap(), &jobs).await.unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(20)
        .acquire_timeout(LONG)
        .connect_lazy_with((*db.pool.connect_options()).clone());

    let claimers: Vec<_> = (0..20).map(|_| tokio::spawn(claim_and_complete_all(pool.clone()))).collect();
    let mut claims: HashMap<i64, usize> = HashMap::new();
    for claimer in claimers {
        for id in claimer.await.unwrap() {
            *claims.entry(id).or_default() += 1;
        }
    }

    assert_eq!(claims.len(), JOBS);
    assert!(claims.values().all(|times| *times == 1), "some jobs were claimed more than once");
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 0);
    let succeeded = "SELECT count(DISTINCT job_id) FROM tally.job_history WHERE outcome = 'succeeded'";
    assert_eq!(count(&db, succeeded).await, JOBS as i64);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history").await, JOBS as i64);
}

async fn claim_and_complete_all(pool: PgPool) -> Vec<i64> {
    let lease_id = lease(&pool).await;
    let mut ids = Vec::new();
    loop {
        let rows = store::claim(&pool, &terms(), lease_id, 37).await.unwrap();
        if rows.is_empty() {
            // Others may hold the rest locked; it is theirs.
            return ids;
        }
        let mut reports: Vec<Report> = rows.iter().map(|row| report(row, lease_id)).collect();
        while !reports.is_empty() {
            let verdicts = complete(&pool, &reports).await;
            assert!(!verdicts.contains(&Verdict::Stale));
            // Busy for a moment: a claimer with an older view of the row had a look at it.
            let mut verdicts = verdicts.into_iter();
            reports.retain(|_| verdicts.next() == Some(Verdict::Busy));
        }
        ids.extend(rows.iter().map(|row| row.id));
    }
}

/// Broken by hand: without `AND j.claims = r.claim AND j.lease_id = r.lease_id`
/// in complete.sql, the old owner ends the new owner's run.
#[tokio::test]
async fn the_report_of_an_owner_that_was_taken_for_dead_is_refused() {
    let db = TestDb::new().await;
    let job = enqueue(&db, &Quick { n: 1 }).await;
    let old = lease(&db.pool).await;
    let first = store::claim(&db.pool, &terms(), old, 10).await.unwrap();
    end_leases(&db).await;
    assert_eq!(rescue(&db).await.len(), 1);
    let new = lease(&db.pool).await;
    let second = store::claim(&db.pool, &terms(), new, 10).await.unwrap();

    assert_eq!(complete(&db.pool, &[report(&first[0], old)]).await, [Verdict::Stale]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE state = 'claimed'").await, 1);

    let verdict = complete(&db.pool, &[report(&second[0], new)]).await;
    assert!(matches!(verdict[..], [Verdict::Accepted { .. }]));
    assert_eq!(outcomes(&db, job).await, ["lost", "succeeded"]);
}

/// Broken by hand: without `AND j.lease_id = r.lease_id` in complete.sql.
#[tokio::test]
async fn the_right_claim_under_another_lease_is_refused() {
    let db = TestDb::new().await;
    enqueue(&db, &Quick { n: 1 }).await;
    let mine = lease(&db.pool).await;
    let rows = store::claim(&db.pool, &terms(), mine, 10).await.unwrap();
    assert_eq!(complete(&db.pool, &[report(&rows[0], Uuid::new_v4())]).await, [Verdict::Stale]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE state = 'claimed'").await, 1);
}

/// Broken by hand: without the CTE `lease` in claim.sql.
#[tokio::test]
async fn nothing_is_claimed_under_a_lease_that_ended_and_it_never_comes_back() {
    let db = TestDb::new().await;
    enqueue(&db, &Quick { n: 1 }).await;
    let ended = lease(&db.pool).await;
    end_leases(&db).await;
    assert!(!store::beat(&db.pool, ended, LONG).await.unwrap());
    assert!(store::claim(&db.pool, &terms(), ended, 10).await.unwrap().is_empty());
}

/// Broken by hand: with `claims` counted like `attempt` (restored on interruption).
#[tokio::test]
async fn a_late_report_of_an_interrupted_claim_does_not_end_the_next_claim_of_the_same_lease() {
    let db = TestDb::new().await;
    enqueue(&db, &Quick { n: 1 }).await;
    let mine = lease(&db.pool).await;
    let first = store::claim(&db.pool, &terms(), mine, 1).await.unwrap();
    let interrupted = Report { ending: Ending::Interrupted, ..report(&first[0], mine) };
    complete(&db.pool, std::slice::from_ref(&interrupted)).await;
    let second = store::claim(&db.pool, &terms(), mine, 1).await.unwrap();
    assert_eq!(second[0].attempt, first[0].attempt, "an interrupted attempt does not count");

    assert_eq!(complete(&db.pool, &[interrupted]).await, [Verdict::Stale]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE state = 'claimed'").await, 1);
}

#[tokio::test]
async fn better_priority_first_then_the_longer_due_and_nothing_before_its_time() {
    let db = TestDb::new().await;
    let job = |n: u64| NewJob::of(&Quick { n }).unwrap();
    let jobs = [job(0).priority(3), job(1), job(2).priority(0), job(3).priority(0).after(LONG)];
    let ids = Queue::new().enqueue_bulk(&mut db.pool.acquire().await.unwrap(), &jobs).await.unwrap();
    let mine = lease(&db.pool).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(store::claim(&db.pool, &terms(), mine, 1).await.unwrap().into_iter().map(|row| row.id));
    }
    assert_eq!(order, [ids[2], ids[1], ids[0]].map(|job| job.job_id()));
    let lanes = store::lanes(&db.pool, "default", 10, (-1, Uuid::nil(), "")).await.unwrap();
    assert_eq!(lanes.len(), 1, "the job that waits for its time");
    assert!(lanes[0].due_in_seconds > 0.0 && lanes[0].due_in_seconds <= LONG.as_secs_f64(), "{lanes:?}");
}

#[tokio::test]
async fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let db = TestDb::new().await;
    enqueue(&db, &Quick { n: 1 }).await;
    let mine = lease(&db.pool).await;
    let queue = Queue::new();
    let mut connection = db.pool.acquire().await.unwrap();
    queue.pause(&mut connection, "default", "maintenance").await.unwrap();
    assert!(store::claim(&db.pool, &terms(), mine, 1).await.unwrap().is_empty());
    assert!(queue.resume(&mut connection, "default").await.unwrap());
    assert_eq!(store::claim(&db.pool, &terms(), mine, 1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_run_each_job_once() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    let runners: Vec<_> = (0..3).map(|_| runner(&db, &world).start().unwrap()).collect();
    let jobs: Vec<NewJob> = (0..600).map(|n| NewJob::of(&Quick { n }).unwrap()).collect();
    runners[0].queue().enqueue_bulk(&mut db.pool.acquire().await.unwrap(), &jobs).await.unwrap();
    runners[0].queue().hint();
    until_empty(&db).await;
    assert_eq!(world.runs(), 600);
    for runner in runners {
        assert_eq!(runner.counters().stale_completions(), 0);
        stop(runner).await;
    }
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_leases").await, 0, "leases are released at the end");
}
