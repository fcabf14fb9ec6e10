//! Workers beside each other, beside writers, and beside other computers.

use sqlx::{Executor, Row};
use tallyline_db::pool::{self, PoolOptions};
use tallyline_jobs::roll_up as job;

use super::by_hand::*;
use crate::support::*;

/// Two quarters of one local hour.
const FIRST: &str = "2026-03-31 18:15";
const SECOND: &str = "2026-03-31 18:30";

/// A worker stands between its snapshot and its write (somebody holds the row of
/// its first bucket) while a call comes into its second bucket, and another
/// worker comes by. Both are the product's, or neither locks.
async fn a_worker_is_overtaken(locking: bool) -> Vec<String> {
    let scene = Scene::rolled_up(&[FIRST, SECOND]).await;
    let (db, both) = (&scene.db, scene.quarters(&[FIRST, SECOND]));
    run(db, "UPDATE calls SET cost_micros = 8").await;
    let mut holder = db.admin.begin().await.unwrap();
    let hold = "SELECT FROM tally.quarter_rollups ORDER BY bucket_start LIMIT 1 FOR UPDATE";
    holder.execute(hold).await.unwrap();

    let pool = db.pool.clone();
    let slow = tokio::spawn(async move {
        if locking {
            assert!(job::run_unit(&pool, &roll_up_options()).await.unwrap() >= 2);
        } else {
            let mut slow = Worker::begin(&pool, QUARTER).await;
            slow.take_without_lock(&pool, &both).await;
            slow.work().await;
        }
    });
    wait_for_a_waiter(db).await;
    scene.call("2026-03-31 18:31").await;
    if locking {
        let before = number(db, MARKS).await;
        assert_eq!(job::run_unit(&db.pool, &roll_up_options()).await.unwrap(), 0);
        assert_eq!(number(db, MARKS).await, before, "what another worker holds is left alone and stays marked");
    } else {
        let mut fast = Worker::begin(&db.pool, QUARTER).await;
        fast.take_without_lock(&db.pool, &scene.quarters(&[SECOND])).await;
        // Marks that others are taking would make it wait: a lock by accident.
        let take =
            "DELETE FROM tally.rollup_marks WHERE seq IN (SELECT seq FROM tally.rollup_marks FOR UPDATE SKIP LOCKED)";
        assert_eq!(fast.tx.execute(take).await.unwrap().rows_affected(), 1);
        fast.replace().await;
        fast.finish().await;
    }
    holder.rollback().await.unwrap();
    slow.await.unwrap();
    settle(db).await
}

/// Break asserted: buckets are not locked. Breaks tried in the product: the marks
/// taken after the recomputation, and `FOR UPDATE` left out of lock_buckets.sql.
#[tokio::test]
async fn race_02_an_older_result_never_overwrites_a_newer_one() {
    assert_eq!(a_worker_is_overtaken(true).await, Vec::<String>::new());
    assert_ne!(a_worker_is_overtaken(false).await, Vec::<String>::new());
}

/// A worker that waits for a bucket instead of passing it by; meanwhile a call
/// comes, and the worker that holds the bucket counts it.
async fn a_worker_waits_for_a_bucket(own_statement: bool) -> Vec<String> {
    let scene = Scene::rolled_up(&[FIRST]).await;
    let (db, bucket) = (&scene.db, scene.quarters(&[FIRST]));
    let mut holding = Worker::begin(&db.pool, QUARTER).await;
    assert_eq!(holding.lock(&db.pool, &bucket).await, 1);

    let mut waiting = Worker::begin(&db.pool, QUARTER).await;
    waiting.take_without_lock(&db.pool, &bucket).await;
    let waiting = tokio::spawn(async move {
        if own_statement {
            let lock = "SELECT FROM tally.rollup_buckets WHERE tier = 0 FOR UPDATE";
            assert_eq!(waiting.tx.execute(lock).await.unwrap().rows_affected(), 1);
            waiting.work().await;
        } else {
            lock_and_compute(&mut waiting).await;
            waiting.finish().await;
        }
    });
    wait_for_a_waiter(db).await;
    scene.call("2026-03-31 18:16").await;
    holding.work().await;
    waiting.await.unwrap();
    settle(db).await
}

/// Lock and computation in one statement, out of the statement of the product.
#[expect(clippy::disallowed_methods, reason = "both parts are files of this repository")]
async fn lock_and_compute(worker: &mut Worker) {
    let from = "FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS b (user_id, bucket_start, generation)";
    assert_eq!(QUARTER_UPSERT.matches(from).count(), 1);
    let fused = format!(
        "WITH locked AS MATERIALIZED (
             SELECT k.user_id, k.bucket_start, k.generation + 1 AS generation
             FROM tally.rollup_buckets k
             WHERE k.tier = 0 AND (k.user_id, k.bucket_start) IN (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]))
             FOR UPDATE)\n{}",
        QUARTER_UPSERT.replace(from, "FROM locked b")
    );
    let buckets = &worker.buckets;
    let query = sqlx::query(sqlx::AssertSqlSafe(fused)).bind(&buckets.user_ids).bind(&buckets.starts);
    query.execute(&mut *worker.tx).await.unwrap();
}

/// Break asserted: lock and computation share a statement, hence a snapshot.
#[tokio::test]
async fn race_03_what_is_computed_is_read_after_the_lock() {
    assert_eq!(a_worker_waits_for_a_bucket(true).await, Vec::<String>::new());
    assert_ne!(a_worker_waits_for_a_bucket(false).await, Vec::<String>::new());
}

/// A worker waits for a bucket from which a call moves away meanwhile. The lock
/// is a row, or an advisory one. Returns its SQLSTATE if it was refused, and
/// the differences.
async fn a_call_leaves_while_a_worker_waits(begin: &'static str, lock: &'static str) -> (Option<String>, Vec<String>) {
    let scene = Scene::rolled_up(&[FIRST]).await;
    let (db, bucket) = (&scene.db, scene.quarters(&[FIRST]));
    let mut holding = Worker::begin(&db.pool, QUARTER).await;
    assert_eq!(holding.lock(&db.pool, &bucket).await, 1);
    holding.tx.execute(lock).await.unwrap();

    let mut waiting = Worker::begin_as(&db.pool, QUARTER, begin).await;
    waiting.take_without_lock(&db.pool, &bucket).await;
    let waiting = tokio::spawn(async move {
        if let Err(refusal) = waiting.tx.execute(lock).await {
            return Some(sqlstate(Err::<(), _>(refusal)));
        }
        waiting.consume().await;
        waiting.replace().await;
        // Its row of the lock table was written since its snapshot: nothing that an advisory lock would see.
        waiting.mark_parents().await;
        waiting.tx.commit().await.unwrap();
        None
    });
    wait_for_a_waiter(db).await;
    run(db, "UPDATE calls SET started_at = started_at + interval '1 day'").await;
    holding.work().await;
    let refused = waiting.await.unwrap();
    (refused, settle(db).await)
}

const LOCK_ROW: &str = "SELECT FROM tally.rollup_buckets WHERE tier = 0 FOR UPDATE";
const LOCK_ADVISORY: &str = "SELECT pg_advisory_xact_lock(1)";

/// Break asserted: a worker at REPEATABLE READ under a lock that carries no
/// version has its snapshot from before the lock, and brings back what has gone.
/// Under the row lock, whose generation its predecessor raised, it is refused.
#[tokio::test]
async fn race_04_workers_read_committed_whatever_the_database_says() {
    let exact = (None, Vec::new());
    assert_eq!(a_call_leaves_while_a_worker_waits(READ_COMMITTED, LOCK_ROW).await, exact);
    assert_eq!(a_call_leaves_while_a_worker_waits(READ_COMMITTED, LOCK_ADVISORY).await, exact);
    let refused = a_call_leaves_while_a_worker_waits(REPEATABLE_READ, LOCK_ROW).await;
    assert_eq!(refused, (Some("40001".to_owned()), Vec::new()));
    let (refused, differences) = a_call_leaves_while_a_worker_waits(REPEATABLE_READ, LOCK_ADVISORY).await;
    assert_eq!(refused, None);
    assert_ne!(differences, Vec::<String>::new());

    let scene = Scene::new().await;
    for level in ["repeatable read", "serializable"] {
        let set = "SELECT set_config('test.level', $1, true)";
        let alter = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L',
            current_database(), current_setting('test.level')); END $$";
        let mut admin = scene.db.admin.begin().await.unwrap();
        sqlx::query(set).bind(level).execute(&mut *admin).await.unwrap();
        admin.execute(alter).await.unwrap();
        admin.commit().await.unwrap();
        let pool = pool::connect(&PoolOptions::new(scene.db.url.as_str())).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        let found: String = sqlx::query_scalar("SHOW transaction_isolation").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(found, "read committed", "where the database says {level}");
    }
}

/// The only call of an agent goes, in a quarter where another agent has one.
async fn the_last_call_of_an_agent_goes(tier_without_deletion: Option<i16>) -> Vec<String> {
    let scene = Scene::rolled_up(&[FIRST]).await;
    let db = &scene.db;
    agent(db, scene.user, "another-agent").await;
    let insert = "INSERT INTO calls (user_id, agent_id, started_at) SELECT c.user_id, a.id, c.started_at
        FROM calls c JOIN agents a ON a.user_id = c.user_id AND a.bolna_agent_id = 'another-agent'";
    run(db, insert).await;
    assert_eq!(settle(db).await, Vec::<String>::new());
    let delete = "DELETE FROM calls WHERE agent_id = (SELECT id FROM agents WHERE bolna_agent_id = 'another-agent')";
    run(db, delete).await;
    for tier in [QUARTER, HOUR, DAY, MONTH] {
        let mut conn = db.pool.acquire().await.unwrap();
        let marked = candidates(&mut conn, tier).await;
        let mut worker = Worker::begin(&db.pool, tier).await;
        assert_eq!(worker.lock(&db.pool, &marked).await, 1);
        worker.consume().await;
        if tier_without_deletion != Some(tier) {
            worker.delete_vanished().await;
        }
        worker.upsert().await;
        worker.finish().await;
    }
    settle(db).await
}

/// Break asserted, in each tier: rows without calls are not deleted.
#[tokio::test]
async fn race_08_what_vanishes_leaves_no_ghost() {
    assert_eq!(the_last_call_of_an_agent_goes(None).await, Vec::<String>::new());
    for tier in [QUARTER, HOUR, DAY, MONTH] {
        assert_ne!(the_last_call_of_an_agent_goes(Some(tier)).await, Vec::<String>::new(), "tier {tier}");
    }
}

/// Another computer counts a quarter from a snapshot and writes it back later;
/// a worker has recomputed the quarter meanwhile.
async fn a_count_comes_from_outside(compare_and_swap: bool) -> Vec<String> {
    let scene = Scene::rolled_up(&[FIRST]).await;
    let db = &scene.db;
    let mut outside = db.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let read = "SELECT (SELECT generation FROM tally.rollup_buckets WHERE tier = 0), (SELECT count(*)::integer FROM tally.call_metrics)";
    let row = sqlx::query(read).fetch_one(&mut *outside).await.unwrap();
    let (generation, calls): (i64, i32) = (row.get(0), row.get(1));
    scene.call("2026-03-31 18:16").await;
    assert_eq!(settle(db).await, Vec::<String>::new());
    outside.commit().await.unwrap();

    let mut late = Worker::begin(&db.pool, QUARTER).await;
    assert_eq!(late.lock(&db.pool, &scene.quarters(&[FIRST])).await, 1);
    if compare_and_swap && late.buckets.generations != [generation + 1] {
        late.tx.rollback().await.unwrap();
        return settle(db).await;
    }
    let write = "UPDATE tally.quarter_rollups SET total_calls = $1, successful_calls = $1";
    sqlx::query(write).bind(calls).execute(&mut *late.tx).await.unwrap();
    late.finish().await;
    settle(db).await
}

/// Break asserted: the generation is not compared. And a generation moves with
/// every recomputation, also with one that changes no figure.
#[tokio::test]
async fn race_12_a_count_from_an_older_snapshot_is_known_by_its_generation() {
    assert_eq!(a_count_comes_from_outside(true).await, Vec::<String>::new());
    assert_ne!(a_count_comes_from_outside(false).await, Vec::<String>::new());

    let scene = Scene::rolled_up(&[FIRST]).await;
    let generations = "SELECT sum(generation)::bigint FROM tally.rollup_buckets";
    let before = number(&scene.db, generations).await;
    sqlx::query("SELECT tally.mark_calls($1, '2026-03-01', '2026-05-01')")
        .bind(scene.user)
        .execute(&scene.db.pool)
        .await
        .unwrap();
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    assert_eq!(number(&scene.db, generations).await, before + 4, "one for each tier");
}

/// An hour is computed while one of its quarters has been recomputed and is not
/// committed. The hour is marked in the quarter's transaction, or before it.
async fn a_parent_is_computed_before_its_child_commits(mark_in_the_same_transaction: bool) -> Vec<String> {
    let scene = Scene::rolled_up(&[FIRST, SECOND]).await;
    let db = &scene.db;
    let quarter = scene.quarters(&[SECOND]);
    scene.call("2026-03-31 18:31").await;
    let mut child = Worker::begin(&db.pool, QUARTER).await;
    assert_eq!(child.lock(&db.pool, &quarter).await, 1);
    child.consume().await;
    child.replace().await;

    // Here another quarter of that hour has the hour recomputed.
    let mut conn = db.pool.acquire().await.unwrap();
    let cause = if mark_in_the_same_transaction { scene.quarters(&[FIRST]) } else { quarter };
    mark_parents(&mut conn, QUARTER, &cause).await;
    let hours = candidates(&mut conn, HOUR).await;
    let mut parent = Worker::begin(&db.pool, HOUR).await;
    assert_eq!(parent.lock(&db.pool, &hours).await, 1);
    parent.work().await;

    child.bump().await;
    if mark_in_the_same_transaction {
        child.mark_parents().await;
    }
    child.tx.commit().await.unwrap();
    settle(db).await
}

/// Break asserted: the parent's mark commits before the child.
#[tokio::test]
async fn race_13_a_parent_computed_too_early_is_marked_again_by_its_child() {
    assert_eq!(a_parent_is_computed_before_its_child_commits(true).await, Vec::<String>::new());
    assert_ne!(a_parent_is_computed_before_its_child_commits(false).await, Vec::<String>::new());
}
