//! Unique jobs: who holds a key, and until when.

use std::time::Duration;

use sqlx::Row;
use tallyline_queue::{
    Enqueued, NewJob, Queue, Unique,
    store::{self, ClaimTerms, Ending, Report},
};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::scripted::{LONG, Quick, count, sql};

async fn enqueue(db: &TestDb, unique: Unique) -> Enqueued {
    let job = NewJob::of(&Quick { n: 1 }).unwrap().unique(unique);
    Queue::new().enqueue(&mut db.pool.acquire().await.unwrap(), job).await.unwrap()
}

struct Worker<'a> {
    db: &'a TestDb,
    lease_id: Uuid,
}

impl<'a> Worker<'a> {
    async fn new(db: &'a TestDb) -> Self {
        let lease_id = Uuid::new_v4();
        store::register_lease(&db.pool, lease_id, "test", LONG).await.unwrap();
        Self { db, lease_id }
    }

    async fn claim(&self) -> store::ClaimedRow {
        let terms = ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG };
        let mut rows = store::claim(&self.db.pool, &terms, self.lease_id, 1).await.unwrap();
        rows.pop().expect("a job is due")
    }

    fn report(&self, row: &store::ClaimedRow, ending: Ending) -> Report {
        Report {
            job_id: row.id,
            claim: row.claims,
            lease_id: self.lease_id,
            coalesced: false,
            ending,
            duration: Duration::ZERO,
            log: None,
        }
    }

    async fn end(&self, row: &store::ClaimedRow, ending: Ending) {
        let report = self.report(row, ending);
        let mut connection = self.db.pool.acquire().await.unwrap();
        let verdicts = store::complete(&mut connection, &[report], true).await.unwrap();
        assert!(matches!(verdicts[..], [store::Verdict::Accepted { .. }]));
    }
}

fn retry() -> Ending {
    Ending::Failed { error: "no luck".into(), retry_after: Duration::ZERO }
}

/// Broken by hand: without `started` in claim.sql, without `unlocked` in complete.sql.
#[tokio::test]
async fn a_waiting_key_is_free_from_the_first_start_on() {
    let db = TestDb::new().await;
    let worker = Worker::new(&db).await;
    assert!(enqueue(&db, Unique::waiting("k")).await.is_inserted());
    assert!(!enqueue(&db, Unique::waiting("k")).await.is_inserted());
    let first = worker.claim().await;
    assert!(enqueue(&db, Unique::waiting("k")).await.is_inserted(), "the first has started");
    // A retry of the first does not meet the second.
    worker.end(&first, retry()).await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE state = 'ready'").await, 2);
    assert!(!enqueue(&db, Unique::waiting("k")).await.is_inserted(), "the second waits");
}

#[tokio::test]
async fn a_live_key_is_held_through_retries_until_the_end() {
    let db = TestDb::new().await;
    let worker = Worker::new(&db).await;
    let held = enqueue(&db, Unique::live("k")).await.job_id();
    for _ in 0..2 {
        let row = worker.claim().await;
        assert_eq!(enqueue(&db, Unique::live("k")).await, Enqueued::Duplicate { of: held });
        worker.end(&row, retry()).await;
        assert_eq!(enqueue(&db, Unique::live("k")).await, Enqueued::Duplicate { of: held });
    }
    let row = worker.claim().await;
    worker.end(&row, Ending::Dead { reason: "hopeless".into() }).await;
    assert!(enqueue(&db, Unique::live("k")).await.is_inserted());
}

#[tokio::test]
async fn a_window_holds_whatever_became_of_the_job_and_ends() {
    let db = TestDb::new().await;
    let worker = Worker::new(&db).await;
    assert!(enqueue(&db, Unique::within("k", Duration::from_secs(600))).await.is_inserted());
    let row = worker.claim().await;
    worker.end(&row, Ending::Succeeded).await;
    assert!(!enqueue(&db, Unique::within("k", Duration::from_secs(600))).await.is_inserted());
    sql(&db, "UPDATE tally.job_keys SET expires_at = expires_at - interval '10 minutes'").await;
    assert!(enqueue(&db, Unique::within("k", Duration::from_secs(600))).await.is_inserted());
}

/// Kinds, tenants and keys do not mix.
#[tokio::test]
async fn keys_belong_to_a_kind_and_a_tenant() {
    let db = TestDb::new().await;
    let job = |user: Option<Uuid>, key: &str| {
        let job = NewJob::of(&Quick { n: 1 }).unwrap().unique(Unique::live(key));
        user.map_or(job.clone(), |user| job.for_user(user))
    };
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let batch = [job(None, "k"), job(Some(a), "k"), job(Some(b), "k"), job(Some(a), "l"), job(Some(a), "k")];
    let done = Queue::new().enqueue_bulk(&mut db.pool.acquire().await.unwrap(), &batch).await.unwrap();
    assert_eq!(done.iter().map(|job| job.is_inserted()).collect::<Vec<_>>(), [true, true, true, true, false]);
    assert_eq!(done[4].job_id(), done[1].job_id());
}

/// Two who enqueue the same key at once: the second waits for the first's end,
/// and its word decides. Broken by hand: with `DO NOTHING` and a look before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_taken_by_a_transaction_that_rolls_back_is_free() {
    let db = TestDb::new().await;
    for commit in [false, true] {
        let mut first = db.pool.begin().await.unwrap();
        let key = format!("k{commit}");
        let job = NewJob::of(&Quick { n: 1 }).unwrap().unique(Unique::live(&key));
        assert!(Queue::new().enqueue(&mut first, job).await.unwrap().is_inserted());
        let pool = db.pool.clone();
        let second = tokio::spawn(async move {
            let job = NewJob::of(&Quick { n: 2 }).unwrap().unique(Unique::live(key));
            Queue::new().enqueue(&mut pool.acquire().await.unwrap(), job).await.unwrap()
        });
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        crate::scripted::until_count(&db, "the second waits", waits, 1).await;
        match commit {
            true => first.commit().await.unwrap(),
            false => first.rollback().await.unwrap(),
        }
        assert_eq!(second.await.unwrap().is_inserted(), !commit);
    }
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 2);
}

/// Two batches name the same keys in opposite orders while a third transaction
/// holds the one in the middle. Broken by hand: without the ORDER BY of `taken` in
/// enqueue_unique.sql, each takes its first key and they wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_name_the_same_keys_do_not_lock_each_other_out() {
    let db = TestDb::new().await;
    let job = |key: &str| NewJob::of(&Quick { n: 1 }).unwrap().unique(Unique::live(key));
    let mut middle = db.pool.begin().await.unwrap();
    Queue::new().enqueue(&mut middle, job("m")).await.unwrap();
    let batches = [["a", "m", "z"], ["z", "m", "a"]].map(|keys| {
        let (pool, jobs) = (db.pool.clone(), keys.map(job));
        tokio::spawn(async move {
            let mut tx = pool.begin().await.unwrap();
            let done = Queue::new().enqueue_bulk(&mut tx, &jobs).await.unwrap();
            tx.commit().await.unwrap();
            done.iter().filter(|job| job.is_inserted()).count()
        })
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    crate::scripted::until_count(&db, "both wait", waits, 2).await;
    middle.rollback().await.unwrap();
    let mut inserted = 0;
    for batch in batches {
        inserted += batch.await.unwrap();
    }
    assert_eq!(inserted, 3);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 3);
}

/// A batch of jobs ends while others ask for their keys in the opposite order, and a
/// third transaction holds the key in the middle. Broken by hand: without the ORDER BY of
/// `unlocked` in complete.sql each has what the other waits for, and one is cancelled as deadlocked.
#[tokio::test(flavor = "multi_thread")]
async fn completing_and_asking_for_the_same_keys_do_not_lock_each_other_out() {
    let db = TestDb::new().await;
    let worker = Worker::new(&db).await;
    let mut reports = Vec::new();
    for key in ["z", "m", "a"] {
        assert!(enqueue(&db, Unique::live(key)).await.is_inserted());
        reports.push(worker.report(&worker.claim().await, Ending::Succeeded));
    }
    let mut middle = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM tally.job_keys WHERE key = 'm' FOR UPDATE").execute(&mut *middle).await.unwrap();
    let pool = db.pool.clone();
    let ending = tokio::spawn(async move {
        let mut connection = pool.acquire().await.unwrap();
        store::complete(&mut connection, &reports, true).await
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    crate::scripted::until_count(&db, "the completion waits", waits, 1).await;
    let pool = db.pool.clone();
    let asking = tokio::spawn(async move {
        let jobs = ["a", "m", "z"].map(|key| NewJob::of(&Quick { n: 1 }).unwrap().unique(Unique::live(key)));
        Queue::new().enqueue_bulk(&mut pool.acquire().await.unwrap(), &jobs).await
    });
    crate::scripted::until_count(&db, "both wait", waits, 2).await;
    middle.rollback().await.unwrap();
    let verdicts = ending.await.unwrap().unwrap();
    assert!(verdicts.iter().all(|verdict| matches!(verdict, store::Verdict::Accepted { .. })), "{verdicts:?}");
    assert!(asking.await.unwrap().unwrap().iter().all(|job| job.is_inserted()), "the keys were free at the end");
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 3);
}

/// Broken by hand: with all reports sent to the statement, both are accepted and there are two lines of history.
#[tokio::test]
async fn of_two_reports_of_one_claim_the_first_counts() {
    let db = TestDb::new().await;
    let worker = Worker::new(&db).await;
    for (attempts, outright) in [(1, true), (2, false)] {
        enqueue(&db, Unique::live("k")).await;
        let row = worker.claim().await;
        let (first, second) = (worker.report(&row, Ending::Succeeded), worker.report(&row, Ending::Succeeded));
        // Its number is right, its lease is not.
        let other = Report { lease_id: Uuid::new_v4(), ..first.clone() };
        let mut connection = db.pool.acquire().await.unwrap();
        let verdicts = store::complete(&mut connection, &[other, first, second], outright).await.unwrap();
        let [store::Verdict::Stale, store::Verdict::Accepted { .. }, store::Verdict::Stale] = verdicts[..] else {
            panic!("{verdicts:?}");
        };
        assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history").await, attempts);
    }
}

#[tokio::test]
async fn unique_jobs_come_from_sql_as_well() {
    let db = TestDb::new().await;
    let ask = "SELECT tally.enqueue_unique_job('quick', 'k', payload => '{\"n\": 1}') AS id,
        tally.enqueue_unique_job('quick', 'day', 'any') AS day";
    let first = sqlx::query(ask).fetch_one(&db.pool).await.unwrap();
    let second = sqlx::query(ask).fetch_one(&db.pool).await.unwrap();
    for column in ["id", "day"] {
        assert!(first.get::<Option<i64>, _>(column).is_some());
        assert!(second.get::<Option<i64>, _>(column).is_none());
    }
    assert!(!enqueue(&db, Unique::live("k")).await.is_inserted());
    let bounded = "SELECT count(*) FROM tally.job_keys WHERE expires_at BETWEEN now() AND now() + interval '1 day'";
    assert_eq!(count(&db, bounded).await, 1, "a key of any state holds for a day unless told otherwise");
    let unknown = sqlx::query("SELECT tally.enqueue_unique_job('quick', 'l', 'ever')").execute(&db.pool).await;
    assert!(unknown.unwrap_err().to_string().contains("jobs_unique_check"));
}
