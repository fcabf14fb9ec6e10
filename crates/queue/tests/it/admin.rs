//! What operators see of the queue and do to it.

use std::{collections::BTreeSet, time::Duration};

use chrono::DateTime;
use tallyline_queue::{
    JobError, NewJob, Queue, QueueError,
    admin::{self, Filter, Listing, State},
    store::{self, Cancelled, ClaimTerms, ClaimedRow, Ending, LaneShare, Report, Verdict},
};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::scripted::{
    Gate, LONG, Quick, Slow, World, count, enqueue, now, outcomes, registry, request, runner, sql, stop, until_count,
    until_empty,
};

type Connection = sqlx::pool::PoolConnection<sqlx::Postgres>;

async fn connection(db: &TestDb) -> Connection {
    db.pool.acquire().await.unwrap()
}

fn terms() -> ClaimTerms {
    ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG }
}

async fn lease(db: &TestDb) -> Uuid {
    let id = Uuid::new_v4();
    store::register_lease(&db.pool, id, "test", LONG).await.unwrap();
    id
}

async fn claim_one(db: &TestDb, lease_id: Uuid) -> ClaimedRow {
    let mut rows = store::claim(&db.pool, &terms(), lease_id, 1).await.unwrap();
    rows.pop().expect("a job that is due")
}

async fn report(db: &TestDb, row: &ClaimedRow, lease_id: Uuid, ending: Ending) -> Verdict {
    let report = Report {
        job_id: row.id,
        claim: row.claims,
        lease_id,
        coalesced: row.coalesce_key.is_some(),
        ending,
        duration: Duration::ZERO,
        log: None,
    };
    store::complete(&mut *connection(db).await, &[report], true).await.unwrap()[0]
}

/// Claims the next job and buries it.
async fn bury(db: &TestDb, lease_id: Uuid) -> ClaimedRow {
    let row = claim_one(db, lease_id).await;
    let verdict = report(db, &row, lease_id, Ending::Dead { reason: "no luck".into() }).await;
    assert!(matches!(verdict, Verdict::Accepted { .. }));
    row
}

async fn letters(db: &TestDb) -> Vec<i64> {
    sqlx::query_scalar("SELECT dead_id FROM tally.dead_jobs ORDER BY dead_id").fetch_all(&db.admin).await.unwrap()
}

/// Broken by hand: with `claims` left out of letters_replay.sql, the late report is accepted.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_job_is_the_same_job_and_no_old_report_fits_it() {
    let db = TestDb::new().await;
    let lease_id = lease(&db).await;
    let job = enqueue(&db, &Slow { n: 7 }).await;
    let old = bury(&db, lease_id).await;

    let replayed = admin::replay(&mut *connection(&db).await, &letters(&db).await).await.unwrap();
    assert_eq!((replayed.len(), replayed[0].job_id, replayed[0].now_id), (1, job, job));
    assert_eq!(count(&db, "SELECT count(*) FROM tally.dead_jobs").await, 0);
    let again = claim_one(&db, lease_id).await;
    assert_eq!((again.id, again.attempt, again.claims, again.max_attempts), (job, 1, old.claims + 1, 3));
    assert_eq!(again.payload.get(), r#"{"n": 7}"#);
    assert_eq!(report(&db, &old, lease_id, Ending::Succeeded).await, Verdict::Stale);
    assert!(matches!(report(&db, &again, lease_id, Ending::Succeeded).await, Verdict::Accepted { .. }));
    assert_eq!(outcomes(&db, job).await, ["dead", "succeeded"]);
    assert_eq!(admin::replay(&mut *connection(&db).await, &[1, 2, 3]).await.unwrap(), []);
}

/// Broken by hand: with every letter of a key inserted, the statement fails; with
/// the request left out of `DO UPDATE`, the running job does not run once more.
#[tokio::test(flavor = "multi_thread")]
async fn letters_of_one_key_become_one_job_and_join_the_one_that_lives() {
    let db = TestDb::new().await;
    let lease_id = lease(&db).await;
    let mut buried = Vec::new();
    for _ in 0..2 {
        request(&db, "a").await;
        buried.push(bury(&db, lease_id).await);
    }
    let replayed = admin::replay(&mut *connection(&db).await, &letters(&db).await).await.unwrap();
    let newest = buried[1].id;
    assert_eq!(
        replayed.iter().map(|r| (r.job_id, r.now_id)).collect::<Vec<_>>(),
        [(buried[0].id, newest), (newest, newest)]
    );
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 1);

    // It dies while somebody has asked again: the row lives on, and leaves a letter.
    let row = claim_one(&db, lease_id).await;
    request(&db, "a").await;
    report(&db, &row, lease_id, Ending::Dead { reason: "no luck".into() }).await;
    let running = claim_one(&db, lease_id).await;
    assert_eq!(running.id, newest);
    let standing = admin::standing(&mut *connection(&db).await, &[newest, 999_999]).await.unwrap();
    assert_eq!((standing[0].live.as_deref(), standing[0].letters.len()), (Some("running"), 1));
    assert_eq!((standing[1].live.as_deref(), standing[1].letters.len()), (None, 0));
    let replayed = admin::replay(&mut *connection(&db).await, &letters(&db).await).await.unwrap();
    assert_eq!((replayed[0].job_id, replayed[0].now_id), (newest, newest));
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs").await, 1);
    report(&db, &running, lease_id, Ending::Succeeded).await;
    assert_eq!(claim_one(&db, lease_id).await.id, newest, "what was replayed while it ran runs after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discarded_leaves_a_line_and_what_is_delayed_is_brought_forward() {
    let db = TestDb::new().await;
    let lease_id = lease(&db).await;
    let job = enqueue(&db, &Quick { n: 1 }).await;
    bury(&db, lease_id).await;
    let filter = Filter { kind: Some("quick".into()), ..Filter::default() };
    let mut connection = connection(&db).await;
    let counted = admin::count_letters(&mut connection, &filter).await.unwrap();
    assert_eq!((counted[0].kind.as_str(), counted[0].jobs), ("quick", 1));
    let gone = admin::discard(&mut connection, &letters(&db).await, "of no use").await.unwrap();
    assert_eq!(gone[0].job_id, job);
    assert_eq!(outcomes(&db, job).await, ["dead", "discarded"]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history WHERE error = 'of no use'").await, 1);
    assert_eq!(admin::discard(&mut connection, &[1, 2], "again").await.unwrap(), []);

    let failing = enqueue(&db, &Slow { n: 1 }).await;
    let row = claim_one(&db, lease_id).await;
    report(&db, &row, lease_id, Ending::Failed { error: "no".into(), retry_after: LONG }).await;
    let later = NewJob::of(&Quick { n: 2 }).unwrap().after(LONG);
    let later = Queue::new().enqueue(&mut connection, later).await.unwrap().job_id();
    let due = enqueue(&db, &Quick { n: 3 }).await;
    let waits = Filter { state: Some("failing"), ..Filter::default() };
    let (top, _) = admin::tops(&mut connection).await.unwrap();
    assert_eq!(admin::next_live(&mut connection, &waits, 0, top, 10).await.unwrap(), [failing]);
    assert_eq!(admin::count_live(&mut connection, &Filter::default()).await.unwrap().len(), 2);
    let mut hurried = admin::due_now(&mut connection, &[failing, later, due]).await.unwrap();
    hurried.sort_by_key(|changed| changed.job_id);
    assert_eq!(hurried.iter().map(|c| c.job_id).collect::<Vec<_>>(), [failing, later]);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE run_at > now()").await, 0);
}

/// Broken by hand: without SKIP LOCKED in cancel.sql, the statement waits for the lock.
#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_are_cancelled_and_one_that_is_locked_is_left_out() {
    let db = TestDb::new().await;
    let lease_id = lease(&db).await;
    let running = enqueue(&db, &Quick { n: 1 }).await;
    claim_one(&db, lease_id).await;
    let waiting = enqueue(&db, &Quick { n: 2 }).await;
    let locked = enqueue(&db, &Quick { n: 3 }).await;
    let mut other = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM tally.jobs WHERE id = $1 FOR UPDATE").bind(locked).execute(&mut *other).await.unwrap();
    let all = [running, waiting, locked, 999_999];
    let cancelled = tokio::time::timeout(LONG, store::cancel_many(&db.pool, &all, "test")).await.unwrap().unwrap();
    let mut became: Vec<_> = cancelled.iter().map(|c| (c.job_id, c.became)).collect();
    became.sort_by_key(|(id, _)| *id);
    assert_eq!(became, [(running, Cancelled::Requested), (waiting, Cancelled::Removed)]);
    assert_eq!(outcomes(&db, waiting).await, ["cancelled"]);
    other.rollback().await.unwrap();
    assert_eq!(store::cancel(&db.pool, locked, "test").await.unwrap(), Cancelled::Removed);
    assert_eq!(store::cancel(&db.pool, locked, "test").await.unwrap(), Cancelled::NotFound);
}

/// A claim that began before the pause commits after it. Broken by hand: with the
/// transactions in flight left out, the queue is called idle while the claim is under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_idle_when_no_claim_is_on_its_way_either() {
    let db = TestDb::new().await;
    let lease_id = lease(&db).await;
    let job = enqueue(&db, &Quick { n: 1 }).await;
    let mut claiming = db.pool.begin().await.unwrap();
    let share = LaneShare {
        priority: 1,
        tenant: Uuid::nil(),
        kind: "quick".into(),
        not_before: DateTime::UNIX_EPOCH,
        first_id: 0,
        share: 1,
    };
    let rows = store::claim_from(&mut *claiming, &terms(), lease_id, 1, &[share], false).await.unwrap();
    assert_eq!(rows.len(), 1);

    let mut connection = connection(&db).await;
    Queue::new().pause(&mut connection, "default", "test").await.unwrap();
    let mut idle = admin::Idle::of(&mut connection, "default").await.unwrap();
    assert_eq!(idle.running(&mut connection).await.unwrap(), Some(0), "nothing is to be seen yet");
    claiming.commit().await.unwrap();
    assert_eq!(idle.running(&mut connection).await.unwrap(), Some(1));
    let verdict = report(&db, &rows[0], lease_id, Ending::Succeeded).await;
    assert!(matches!(verdict, Verdict::Accepted { .. }));
    assert_eq!(idle.running(&mut connection).await.unwrap(), None);
    assert_eq!(outcomes(&db, job).await, ["succeeded"]);
}

async fn listing(db: &TestDb, state: State, limit: i64) -> Listing {
    let since = now(db).await - chrono::TimeDelta::days(1);
    Listing { state, kind: None, queue: None, tenant: None, since, since_for_all: false, limit, before: None }
}

/// Ids of all lines of a list, page by page.
async fn walk(db: &TestDb, mut listing: Listing) -> Vec<(i64, String)> {
    let (mut lines, mut pages) = (Vec::new(), 0);
    loop {
        let page = admin::list(&mut *connection(db).await, &listing).await.unwrap();
        lines.extend(page.jobs.into_iter().map(|line| (line.job_id, line.state)));
        pages += 1;
        match page.next {
            Some(next) => listing.before = Some(next),
            None => break,
        }
        assert!(pages < 1_000, "the pages do not come to an end");
    }
    lines
}

/// Attempts that end at the same moment and attempts of the same job lie across the
/// pages. Broken by hand: with places that name less than the order (time alone, job alone).
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_list_hold_every_line_once() {
    let db = TestDb::new().await;
    sql(
        &db,
        "INSERT INTO tally.job_history (job_id, claim, kind, queue, attempt, outcome, queued_at, finished_at)
         SELECT n / 4, n, 'k', 'q', 1, CASE n % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'lost' ELSE 'succeeded' END,
             now(), now() - (n / 20) * interval '1 second'
         FROM generate_series(1, 300) n;
         INSERT INTO tally.jobs (kind, queue, run_at, created_at)
         SELECT 'k', 'q', now() + (n % 2) * interval '1 hour', now() FROM generate_series(1, 60) n;
         INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         SELECT 7, 'k', 'q', '{}', 1, 1, 1, 'r', now(), now(), n FROM generate_series(1, 60) n;",
    )
    .await;
    for (state, expected) in [("failed", 100), ("lost", 100), ("succeeded", 100), ("live", 60), ("waiting", 30)] {
        let state: State = state.parse().unwrap();
        for limit in [7, 50, 1_000] {
            let lines = walk(&db, listing(&db, state, limit).await).await;
            assert_eq!(lines.len(), expected, "{state:?} by {limit}");
            assert!(state == State::Live || lines.iter().all(|(_, word)| word == state.as_str()));
        }
    }
    assert_eq!(walk(&db, listing(&db, State::Dead, 7).await).await.len(), 60);
    let ids: BTreeSet<i64> =
        walk(&db, listing(&db, State::Live, 7).await).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 60);
    let foreign = Listing { before: Some("5.1".into()), ..listing(&db, State::Dead, 7).await };
    let refused = admin::list(&mut *connection(&db).await, &foreign).await;
    assert!(matches!(refused, Err(QueueError::Place)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_shown_with_its_attempts_and_its_process() {
    let db = TestDb::new().await;
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(move |_, ctx| {
        let gate = inner.clone();
        async move {
            if ctx.job.attempt == 1 {
                return Err(JobError::retry_after(Duration::ZERO, "no luck"));
            }
            gate.pass().await;
            Ok(())
        }
    });
    let runner = runner(&db, &world).label("here:1").queue("other", 1).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    gate.arrival().await;
    let mut connection = connection(&db).await;
    let details = admin::show(&mut connection, job, 10).await.unwrap().unwrap();
    let live = details.live.as_ref().unwrap();
    assert_eq!((live.state.as_str(), live.attempt, live.process.as_deref()), ("running", 2, Some("here:1")));
    assert_eq!(live.last_error.as_deref(), Some("no luck"));
    assert!(live.deadline_at > live.claimed_at);
    let attempt = &details.attempts[0];
    assert_eq!((attempt.outcome.as_str(), attempt.error.as_deref()), ("failed", Some("no luck")));
    assert_eq!(attempt.process.as_deref(), Some("here:1"));
    assert_eq!(details.payload(), Some(&serde_json::json!({ "n": 1 })));
    let json = serde_json::to_string(&details).unwrap();
    assert!(!json.contains("payload"), "a payload is shown on request only: {json}");

    let queues = admin::queues(&mut connection, &["empty"]).await.unwrap();
    let line = |name: &str| queues.iter().find(|line| line.queue == name).unwrap();
    assert_eq!((line("default").running, line("default").processes.as_slice()), (1, ["here:1".to_owned()].as_slice()));
    assert_eq!((line("other").processes.len(), line("empty").processes.len()), (1, 0));
    let workers = admin::workers(&mut connection).await.unwrap();
    assert_eq!((workers.len(), workers[0].alive, workers[0].held), (1, true, 1));
    gate.open(1);
    until_empty(&db).await;
    stop(runner).await;
    assert!(admin::workers(&mut connection).await.unwrap().is_empty());
    assert!(admin::show(&mut connection, 999_999, 10).await.unwrap().is_none());
    assert!(admin::show(&mut connection, job, 10).await.unwrap().unwrap().live.is_none());
}

#[test]
fn a_job_by_name_is_checked_against_its_kind() {
    let registry = registry();
    let job = registry.new_job("slow", serde_json::json!({ "n": 5, "more": 1 })).unwrap();
    assert_eq!((job.queue.as_str(), job.max_attempts, job.priority), ("default", 3, 1));
    assert_eq!(job.payload, serde_json::json!({ "n": 5, "more": 1 }));
    assert!(matches!(registry.new_job("slwo", serde_json::json!({})), Err(QueueError::UnknownKind(_))));
    let unfit = registry.new_job("slow", serde_json::json!({ "n": "five" })).unwrap_err();
    assert!(matches!(&unfit, QueueError::Payload { reason, .. } if reason.contains("u64")), "{unfit}");
}

/// Broken by hand: `NewJob::of` without the context of the run.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_enqueues_belongs_to_its_trace() {
    let db = TestDb::new().await;
    let pool = db.pool.clone();
    let world = World::new(move |n, _| {
        let pool = pool.clone();
        async move {
            if n == 1 {
                let next = NewJob::of(&Slow { n: 2 })?.after(LONG);
                Queue::new().enqueue(&mut *pool.acquire().await?, next).await?;
            }
            Ok(())
        }
    });
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut job = NewJob::of(&Quick { n: 1 }).unwrap();
    job.trace = Some(parent.to_owned());
    Queue::new().enqueue(&mut *connection(&db).await, job).await.unwrap();
    let runner = runner(&db, &world).start().unwrap();
    until_count(&db, "the second is there", "SELECT count(*) FROM tally.jobs WHERE kind = 'slow'", 1).await;
    stop(runner).await;
    let second: i64 = sqlx::query_scalar("SELECT id FROM tally.jobs").fetch_one(&db.admin).await.unwrap();
    let details = admin::show(&mut *connection(&db).await, second, 1).await.unwrap().unwrap();
    assert_eq!(details.trace_id().as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    let trace = details.live.unwrap().trace.unwrap();
    assert!(!trace.contains("00f067aa0ba902b7"), "below the span of the run, not below that of the first: {trace}");
}
