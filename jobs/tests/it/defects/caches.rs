//! Caches: one rebuild for many changes, never an older one over a newer.

use sqlx::PgConnection;

use super::*;

/// An import of contacts left the caches as they were, and three repairs fetched everything again for each row.
///
/// Breaks tried: a key of its own for each request (14 rebuilds); no requests at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_49_a_bulk_of_a_thousand_is_one_rebuild() {
    let (db, user) = scene("UTC").await;
    sqlx::query(
        "WITH k AS (
             INSERT INTO contacts (user_id, name, phone_number) SELECT $1, 'Contact', '+1202556' || n FROM generate_series(1000, 1999) n
             RETURNING id)
         INSERT INTO calls (user_id, agent_id, contact_id, started_at, outcome, status)
         SELECT $1, a.id, k.id, timestamptz '2026-03-03 00:00Z' + (row_number() OVER ()) * interval '1 hour', 'busy', 'failed'
         FROM k CROSS JOIN agents a",
    )
    .bind(user)
    .execute(&db.pool)
    .await
    .unwrap();
    roll_up(&db).await;
    let waiting = "SELECT kind || ' ' || count(*) FROM tally.jobs GROUP BY kind ORDER BY kind";
    assert_eq!(texts(&db, waiting).await, ["rebuild_dashboards 1", "refresh_kpi_summary 1"]);
    let worker = job_worker(&db);
    until(&db, "all is built", JOBS, 0).await;
    let runs =
        "SELECT kind || ' ' || count(*) FROM tally.job_history WHERE outcome = 'succeeded' GROUP BY kind ORDER BY kind";
    assert_eq!(texts(&db, runs).await, ["rebuild_dashboards 1", "refresh_kpi_summary 1"]);
    let cached = "SELECT sum(total_calls) || ' ' || sum(distinct_contacts) FROM call_analytics_cache WHERE period_type = 'monthly'";
    assert_eq!(texts(&db, cached).await, ["1000 1000"]);
    assert!(worker.shutdown(LONG).await);
}

/// Each process had caches of its own, of different ages, and an old one could be written over a new one.
///
/// A rebuild that has read two calls is held up before it writes; meanwhile a third call is counted and cached.
///
/// Breaks tried: `upsert_periods.sql` and `upsert_overview.sql` without the WHERE at their end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_50_an_older_rebuild_never_overwrites_a_newer_one() {
    let periods = (
        include_str!("../../../../sql/cache/upsert_periods.sql"),
        "SELECT FROM call_analytics_cache FOR UPDATE",
        "SELECT total_calls::text FROM call_analytics_cache WHERE total_calls > 0 AND period_type = 'weekly'",
    );
    let overview = (
        include_str!("../../../../sql/cache/upsert_overview.sql"),
        "SELECT FROM dashboard_cache FOR UPDATE",
        "SELECT cache_data #>> '{conversations,total}' FROM dashboard_cache",
    );
    for (build, hold, cached) in [periods, overview] {
        let (db, user) = scene("UTC").await;
        counted_one_more(&db, user, "a").await;
        rebuild(&mut db.pool.acquire().await.unwrap(), build, user).await;
        counted_one_more(&db, user, "b").await;
        let mut newer = db.pool.begin().await.unwrap();
        sqlx::query(hold).execute(&mut *newer).await.unwrap();
        let pool = db.pool.clone();
        let older = tokio::spawn(async move { rebuild(&mut pool.acquire().await.unwrap(), build, user).await });
        until(&db, "the older one waits", WAITERS, 1).await;
        counted_one_more(&db, user, "c").await;
        rebuild(&mut newer, build, user).await;
        newer.commit().await.unwrap();
        older.await.unwrap();
        assert_eq!(texts(&db, cached).await, ["3"]);
    }
}

async fn counted_one_more(db: &TestDb, user: Uuid, id: &str) {
    send(db, user, [talk(id, 30.0)]).await;
    process(db).await;
    // Into the overview's window.
    run(db, "UPDATE calls SET started_at = now() WHERE started_at < now() - interval '1 day'").await;
    roll_up(db).await;
}

/// One of the statements of `rebuild_dashboards`.
async fn rebuild(connection: &mut PgConnection, statement: &'static str, user: Uuid) {
    let query = sqlx::query(statement).bind(user);
    let query = if statement.contains("$2") { query.bind(3_600.0) } else { query };
    query.execute(connection).await.unwrap();
}
