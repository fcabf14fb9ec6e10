//! What is remembered between two runs: marks, and nothing that can be behind
//! or ahead of them.

use super::by_hand::*;
use crate::support::*;

/// Rolls up quarters of marks that it finds by a watermark and never takes.
struct CursorWorker {
    /// Marks beyond the watermark ($1) that may be trusted, and the next watermark.
    sql: &'static str,
    watermark: String,
}

impl CursorWorker {
    async fn run(&mut self, scene: &Scene) {
        let (starts, next): (Vec<chrono::DateTime<chrono::Utc>>, Option<String>) =
            sqlx::query_as(self.sql).bind(&self.watermark).fetch_one(&scene.db.admin).await.unwrap();
        let found = Buckets { user_ids: vec![scene.user; starts.len()], starts, generations: Vec::new() };
        let mut worker = Worker::begin(&scene.db.pool, QUARTER).await;
        assert_eq!(worker.lock(&scene.db.pool, &found).await, found.starts.len());
        worker.replace().await;
        worker.tx.commit().await.unwrap();
        self.watermark = next.unwrap_or_else(|| self.watermark.clone());
    }
}

/// By the number of the mark.
const BY_SEQUENCE: &str = "SELECT coalesce(array_agg(DISTINCT bucket_start), '{}'), max(seq)::text
    FROM tally.rollup_marks WHERE tier = 0 AND seq > $1::bigint";
/// By its time.
const BY_TIME: &str = "SELECT coalesce(array_agg(DISTINCT bucket_start), '{}'), max(marked_at)::text
    FROM tally.rollup_marks WHERE tier = 0 AND marked_at > $1::timestamptz";
/// By its number, and only what lies below every transaction that is under way.
const BY_SEQUENCE_WITHOUT_GAPS: &str = "SELECT coalesce(array_agg(DISTINCT bucket_start), '{}'), max(seq)::text
    FROM tally.rollup_marks
    WHERE tier = 0 AND seq > $1::bigint AND xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

/// A writer marks first and commits last. The worker of the product, or one with
/// a watermark; returns how many calls are uncounted in the end.
async fn the_first_commits_last(watermark: Option<(&'static str, &str)>) -> i64 {
    let scene = Scene::new().await;
    let mut first = scene.db.pool.begin().await.unwrap();
    scene.call_in(&mut first, "2026-03-31 18:05").await;
    scene.call("2026-03-31 18:20").await;
    let Some((sql, start)) = watermark else {
        roll_up(&scene.db).await;
        first.commit().await.unwrap();
        assert_eq!(settle(&scene.db).await, Vec::<String>::new());
        return uncounted(&scene.db).await;
    };
    let mut worker = CursorWorker { sql, watermark: start.to_owned() };
    worker.run(&scene).await;
    first.commit().await.unwrap();
    worker.run(&scene).await;
    uncounted(&scene.db).await
}

/// Breaks asserted: a watermark over the marks' numbers, and one over their times.
#[tokio::test]
async fn race_05_who_marks_first_and_commits_last_is_not_skipped() {
    assert_eq!(the_first_commits_last(None).await, 0);
    assert_eq!(the_first_commits_last(Some((BY_SEQUENCE, "0"))).await, 1);
    assert_eq!(the_first_commits_last(Some((BY_TIME, "-infinity"))).await, 1);
}

/// A session has numbers in stock, so that a later transaction of it has smaller
/// numbers than an earlier one of another session.
async fn a_later_transaction_has_a_smaller_number(watermark: bool) -> i64 {
    let scene = Scene::new().await;
    run(&scene.db, "ALTER SEQUENCE tally.rollup_mark_seq CACHE 10").await;
    let mut with_stock = scene.db.pool.acquire().await.unwrap();
    let mut other = scene.db.pool.acquire().await.unwrap();
    scene.call_in(&mut with_stock, "2026-03-31 18:05").await;
    scene.call_in(&mut other, "2026-03-31 18:20").await;
    let mut worker = CursorWorker { sql: BY_SEQUENCE_WITHOUT_GAPS, watermark: "0".to_owned() };
    if watermark {
        // Other tests of this server may be in the middle of something that was begun before.
        tallyline_testkit::wait_until("both marks are trusted", DEADLINE, || async {
            let trusted: (Vec<chrono::DateTime<chrono::Utc>>, Option<String>) =
                sqlx::query_as(BY_SEQUENCE_WITHOUT_GAPS).bind("0").fetch_one(&scene.db.admin).await.unwrap();
            trusted.0.len() == 2
        })
        .await;
        worker.run(&scene).await;
    } else {
        roll_up(&scene.db).await;
    }
    scene.call_in(&mut with_stock, "2026-03-31 18:40").await;
    let order = "SELECT count(*) FROM tally.rollup_marks a JOIN tally.rollup_marks b ON b.seq < a.seq
        AND b.xmin::text::bigint > a.xmin::text::bigint";
    if watermark {
        assert_eq!(number(&scene.db, order).await, 1, "the newer transaction has the smaller number");
        worker.run(&scene).await;
    } else {
        assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    }
    uncounted(&scene.db).await
}

/// Break asserted: numbers are trusted once every transaction seen is below all
/// that are under way.
#[tokio::test]
async fn race_06_a_newer_transaction_with_a_smaller_number_is_not_skipped() {
    assert_eq!(a_later_transaction_has_a_smaller_number(false).await, 0);
    assert_eq!(a_later_transaction_has_a_smaller_number(true).await, 1);
}

/// Break asserted: a worker that trusts only what lies below every open
/// transaction stands still while one is open; ours counts what has committed.
#[tokio::test]
async fn race_07_an_open_writer_holds_up_nobody_else() {
    let scene = Scene::new().await;
    let mut open = scene.db.pool.begin().await.unwrap();
    scene.call_in(&mut open, "2026-03-31 18:05").await;
    scene.call("2026-03-31 18:20").await;
    let mut worker = CursorWorker { sql: BY_SEQUENCE_WITHOUT_GAPS, watermark: "0".to_owned() };
    worker.run(&scene).await;
    assert_eq!(uncounted(&scene.db).await, 1);
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    assert_eq!(uncounted(&scene.db).await, 0);
    open.commit().await.unwrap();
    assert_eq!(uncounted(&scene.db).await, 1);
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
}

/// An old snapshot keeps the marks that were taken from being cleaned away. That
/// costs time, not exactness: who still sees them does the same work again.
#[tokio::test]
async fn race_15_marks_that_vacuum_cannot_remove_are_not_taken_again() {
    let scene = Scene::new().await;
    let db = &scene.db;
    scene.call("2026-03-31 18:20").await;
    let mut old = db.pool.begin_with(REPEATABLE_READ).await.unwrap();
    assert_eq!(candidates(&mut old, QUARTER).await.starts, [time("2026-03-31 18:15")]);
    for _ in 0..50 {
        scene.call("2026-03-31 18:20").await;
    }
    assert_eq!(settle(db).await, Vec::<String>::new());
    run(db, "VACUUM tally.rollup_marks").await;
    let mut fresh = db.pool.acquire().await.unwrap();
    for tier in [QUARTER, HOUR, DAY, MONTH] {
        assert!(candidates(&mut fresh, tier).await.starts.is_empty());
    }
    let seen_before = candidates(&mut old, QUARTER).await;
    assert_eq!(seen_before.starts, [time("2026-03-31 18:15")], "the old snapshot still sees its mark");

    let mut again = Worker::begin(&db.pool, QUARTER).await;
    assert_eq!(again.lock(&db.pool, &seen_before).await, 1);
    assert_eq!(again.consume().await, 0);
    again.replace().await;
    again.finish().await;
    assert_eq!(settle(db).await, Vec::<String>::new());
    old.rollback().await.unwrap();

    let vacuumed_early = "SELECT count(*) FROM pg_class WHERE oid = 'tally.rollup_marks'::regclass
        AND reloptions @> '{autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=1000,autovacuum_vacuum_cost_delay=0}'";
    assert_eq!(number(db, vacuumed_early).await, 1);
}

/// Columns that hold a transaction, a snapshot or a place in the log.
const KEPT_TRANSACTIONS: &str = "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace IN ('tally'::regnamespace, 'public'::regnamespace) AND c.relkind IN ('r', 'm', 'p') AND a.attnum > 0
      AND a.atttypid IN ('xid'::regtype, 'xid8'::regtype, 'pg_snapshot'::regtype, 'txid_snapshot'::regtype, 'pg_lsn'::regtype)";

/// After a restore or a fail-over numbers may begin anew, and transactions do.
/// Breaks asserted: a column that keeps one is found, and a watermark that came
/// along skips what is marked afterwards.
#[tokio::test]
async fn race_18_nothing_kept_refers_to_transactions_or_numbers_of_another_server() {
    let scene = Scene::new().await;
    let db = &scene.db;
    assert_eq!(number(db, KEPT_TRANSACTIONS).await, 0);
    run(db, "ALTER TABLE tally.rollup_buckets ADD COLUMN seen_up_to xid8").await;
    assert_eq!(number(db, KEPT_TRANSACTIONS).await, 1);

    for _ in 0..5 {
        scene.call("2026-03-31 18:20").await;
    }
    let mut watermarked = CursorWorker { sql: BY_SEQUENCE, watermark: "0".to_owned() };
    watermarked.run(&scene).await;
    assert_eq!(settle(db).await, Vec::<String>::new());
    run(db, "ALTER SEQUENCE tally.rollup_mark_seq RESTART").await;
    scene.call("2026-03-31 18:40").await;
    watermarked.run(&scene).await;
    assert_eq!(uncounted(db).await, 1);
    assert_eq!(settle(db).await, Vec::<String>::new());
    assert_eq!(uncounted(db).await, 0);
}
