//! Readers, writers and tenants beside the roll-up.

use sqlx::{Executor, PgConnection};
use tallyline_jobs::roll_up as job;

use super::by_hand::*;
use crate::support::*;

/// Calls of clean quarters by their roll-ups.
const CLEAN: &str = "SELECT coalesce(sum(r.total_calls), 0)::bigint FROM tally.quarter_rollups r WHERE NOT EXISTS (
    SELECT FROM tally.rollup_marks m WHERE m.user_id = r.user_id AND m.tier = 0 AND m.bucket_start = r.bucket_start)";
/// Calls of marked quarters, counted.
const MARKED: &str = "SELECT count(*) FROM tally.call_metrics c WHERE EXISTS (
    SELECT FROM tally.rollup_marks m WHERE m.user_id = c.user_id AND m.tier = 0 AND m.bucket_start = c.quarter_start)";
/// Both.
const CLEAN_AND_MARKED: &str = "SELECT (
        SELECT coalesce(sum(r.total_calls), 0)::bigint FROM tally.quarter_rollups r WHERE NOT EXISTS (
            SELECT FROM tally.rollup_marks m WHERE m.user_id = r.user_id AND m.tier = 0 AND m.bucket_start = r.bucket_start)
    ) + (
        SELECT count(*) FROM tally.call_metrics c WHERE EXISTS (
            SELECT FROM tally.rollup_marks m WHERE m.user_id = c.user_id AND m.tier = 0 AND m.bucket_start = c.quarter_start))";

async fn read(conn: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
}

/// A worker commits between the two halves of a reading.
async fn a_worker_commits_between_two_statements(begin: &'static str) -> i64 {
    let scene = Scene::rolled_up(&["2026-03-31 18:05", "2026-03-31 18:20"]).await;
    scene.call("2026-03-31 18:21").await;
    let mut reader = scene.db.pool.begin_with(begin).await.unwrap();
    let clean = read(&mut reader, CLEAN).await;
    roll_up(&scene.db).await;
    clean + read(&mut reader, MARKED).await
}

/// Break asserted: roll-ups and marked buckets are read by two statements, each
/// with a snapshot of its own.
#[tokio::test]
async fn race_14_roll_ups_and_what_is_marked_are_read_in_one_snapshot() {
    assert_eq!(a_worker_commits_between_two_statements(REPEATABLE_READ).await, 3);
    assert_ne!(a_worker_commits_between_two_statements(READ_COMMITTED).await, 3);

    let scene = Scene::rolled_up(&["2026-03-31 18:05", "2026-03-31 18:20"]).await;
    let (db, mut reader) = (&scene.db, scene.db.pool.acquire().await.unwrap());
    let mut writer = db.pool.begin().await.unwrap();
    scene.call_in(&mut writer, "2026-03-31 18:21").await;
    assert_eq!(read(&mut reader, CLEAN_AND_MARKED).await, 2);
    writer.commit().await.unwrap();
    assert_eq!(read(&mut reader, CLEAN_AND_MARKED).await, 3);
    let mut worker = Worker::begin(&db.pool, QUARTER).await;
    worker.lock(&db.pool, &scene.quarters(&["2026-03-31 18:15"])).await;
    assert_eq!(read(&mut reader, CLEAN_AND_MARKED).await, 3);
    worker.consume().await;
    assert_eq!(read(&mut reader, CLEAN_AND_MARKED).await, 3);
    worker.replace().await;
    assert_eq!(read(&mut reader, CLEAN_AND_MARKED).await, 3);
    worker.finish().await;
    assert_eq!(read(&mut reader, CLEAN_AND_MARKED).await, 3);
}

/// Functions and rules of the database that would notify.
const NOTIFYING: &str = "SELECT (SELECT count(*) FROM pg_proc WHERE prosrc ~* 'notify'
        AND pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace))
    + (SELECT count(*) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE pg_get_ruledef(r.oid) ~* 'notify'
        AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace))";

/// NOTIFY takes a lock of the whole database at commit, so every ingest would wait
/// for every other. Breaks asserted: a notifying trigger and a notifying rule are
/// found. And two writers that mark the same bucket commit in any order.
#[tokio::test]
async fn race_16_nothing_notifies_and_writers_do_not_wait_for_each_other() {
    let scene = Scene::rolled_up(&["2026-03-31 18:20"]).await;
    let db = &scene.db;
    let mut first = db.pool.begin().await.unwrap();
    let mut second = db.pool.begin().await.unwrap();
    scene.call_in(&mut first, "2026-03-31 18:21").await;
    scene.call_in(&mut second, "2026-03-31 18:22").await;
    let holding = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND (locktype = 'advisory' OR locktype = 'object' AND mode = 'AccessExclusiveLock')";
    assert_eq!(read(&mut first, holding).await, 0);
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(settle(db).await, Vec::<String>::new());

    assert_eq!(number(db, NOTIFYING).await, 0);
    break_function(db, "tally.mark_calls_inserted", "RETURN NULL;", "PERFORM pg_notify('marks', ''); RETURN NULL;")
        .await;
    assert_eq!(number(db, NOTIFYING).await, 1);
    run(db, "CREATE RULE ring AS ON INSERT TO tally.rollup_marks DO ALSO NOTIFY marks").await;
    assert_eq!(number(db, NOTIFYING).await, 2);
}

/// Foreign keys from and to the tables of the roll-up.
const FOREIGN_KEYS: &str = "SELECT count(*) FROM pg_constraint k WHERE k.contype = 'f' AND ARRAY[k.conrelid, k.confrelid] && ARRAY[
    'tally.rollup_marks'::regclass, 'tally.rollup_buckets'::regclass, 'tally.quarter_rollups'::regclass,
    'user_analytics'::regclass, 'agent_analytics'::regclass, 'call_analytics_cache'::regclass, 'dashboard_cache'::regclass]::oid[]";
/// What is left of tenants that are gone.
const LEFT_BEHIND: &str = "SELECT count(*) FROM (
        SELECT user_id FROM tally.rollup_marks UNION ALL SELECT user_id FROM tally.rollup_buckets
        UNION ALL SELECT user_id FROM tally.quarter_rollups UNION ALL SELECT user_id FROM user_analytics
        UNION ALL SELECT user_id FROM agent_analytics) r
    WHERE user_id NOT IN (SELECT id FROM users)";

/// A tenant is deleted while a worker has marks of it to take. Somebody holds a
/// call, so that the deletion stands still after it has locked the tenant's row.
async fn a_tenant_goes_while_a_worker_comes() -> Scene {
    let scene = Scene::rolled_up(&["2026-03-31 18:20"]).await;
    let db = &scene.db;
    let other = tenant(db, "UTC").await;
    let other_call = "INSERT INTO calls (user_id, agent_id, started_at) SELECT user_id, id, '2026-03-31 18:20Z' FROM agents WHERE user_id = $1";
    sqlx::query(other_call).bind(other).execute(&db.admin).await.unwrap();
    scene.call("2026-03-31 18:21").await;
    run(db, "INSERT INTO lead_analytics (user_id, call_id) SELECT user_id, id FROM calls").await;
    let mut holder = db.admin.begin().await.unwrap();
    holder.execute("SELECT FROM calls FOR KEY SHARE").await.unwrap();
    let (admin, user) = (db.admin.clone(), scene.user);
    let deletion = tokio::spawn(async move {
        sqlx::query("DELETE FROM users WHERE id = $1").bind(user).execute(&admin).await.map(drop)
    });
    wait_for_a_waiter(db).await;
    // It may not wait for the tenant that goes, let alone with buckets locked that the deletion wants next.
    assert!(job::run_unit(&db.pool, &roll_up_options()).await.unwrap() > 0);
    let counted = "SELECT count(*) FROM user_analytics a JOIN users u ON u.id = a.user_id WHERE u.timezone = 'UTC' AND a.grain = 'month'";
    assert_eq!(number(db, counted).await, 1, "other tenants are counted meanwhile");
    holder.rollback().await.unwrap();
    deletion.await.unwrap().unwrap();
    scene
}

/// Breaks asserted: a tenant's row that is waited for, marks of a tenant that is
/// gone already, and a foreign key are each found.
#[tokio::test]
async fn race_17_roll_ups_have_no_foreign_keys_and_go_with_their_tenant() {
    let scene = a_tenant_goes_while_a_worker_comes().await;
    assert_eq!(number(&scene.db, LEFT_BEHIND).await, 0);
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    assert_eq!(number(&scene.db, FOREIGN_KEYS).await, 0);
    run(&scene.db, "ALTER TABLE tally.rollup_marks ADD FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE")
        .await;
    assert_eq!(number(&scene.db, FOREIGN_KEYS).await, 1);

    let scene = Scene::rolled_up(&["2026-03-31 18:20"]).await;
    break_function(&scene.db, "tally.mark_calls_deleted", "WHERE EXISTS", "WHERE true OR EXISTS").await;
    run(&scene.db, "DELETE FROM users").await;
    assert_eq!(number(&scene.db, MARKS).await, 1, "the cascade fires the trigger, after the clean-up");
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    assert_eq!(number(&scene.db, LEFT_BEHIND).await, 1, "the lock row of a bucket of nobody");

    // An agent that goes takes its calls along, and their figures.
    let scene = Scene::rolled_up(&["2026-03-31 18:20"]).await;
    run(&scene.db, "DELETE FROM agents WHERE bolna_agent_id = 'agent-of-the-scene'").await;
    assert_eq!(settle(&scene.db).await, Vec::<String>::new());
    assert_eq!(number(&scene.db, "SELECT count(*) FROM agent_analytics").await, 0);
}
