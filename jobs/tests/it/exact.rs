//! An exact read equals the calls at every instant, whatever is marked, and says when it is not asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tallyline_jobs::exact::{self, Grain, Question};
use tallyline_jobs::roll_up as job;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The first quarter of 2026, all of it.
fn question(user_id: Uuid, grain: Grain) -> Question {
    Question {
        user_id,
        grain,
        from: time("2025-12-01T00:00:00Z"),
        to: time("2026-06-01T00:00:00Z"),
        by_agent: false,
        with_sets: true,
        at_most_marked: 100_000,
    }
}

/// Calls every 97 minutes for 34 days around the American spring change, by three agents, with leads.
async fn fill(db: &TestDb, user: Uuid) {
    for n in 0..3 {
        agent(db, user, &format!("agent-{n}")).await;
    }
    sqlx::query(
        "INSERT INTO contacts (user_id, id, name, phone_number)
         SELECT $1, md5($1::text || n)::uuid, 'Contact', '+1202555' || n FROM generate_series(0, 29) n",
    )
    .bind(user)
    .execute(&db.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO calls (user_id, agent_id, contact_id, started_at, outcome, status, duration_seconds, duration_minutes, credits_micros, cost_micros)
         SELECT $1, a.id, md5($1::text || n * 7 % 30)::uuid, timestamptz '2026-02-15 00:00Z' + n * interval '97 minutes',
                CASE WHEN n % 3 = 0 THEN 'answered' ELSE 'busy' END, CASE WHEN n % 3 = 0 THEN 'completed' ELSE 'failed' END,
                CASE WHEN n % 3 = 0 THEN n % 400 ELSE 0 END, CASE WHEN n % 3 = 0 THEN ceil(n % 400 / 60.0) ELSE 0 END, n * 1000, n
         FROM generate_series(0, 500) n
         CROSS JOIN LATERAL (SELECT id FROM agents WHERE user_id = $1 ORDER BY bolna_agent_id OFFSET n % 3 LIMIT 1) a",
    )
    .bind(user)
    .execute(&db.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score, company_name)
         SELECT user_id, id, 12, 'hot', 3, 'Émile & Söhne' FROM calls WHERE user_id = $1 AND cost_micros % 6 = 0",
    )
    .bind(user)
    .execute(&db.pool)
    .await
    .unwrap();
}

/// Compares the exact read with a plain GROUP BY over calls in one statement,
/// for hours, days and months, tenant and agents; returns what differs.
async fn differences(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar(include_str!("exact_differences.sql")).fetch_all(&db.admin).await.unwrap()
}

#[tokio::test]
async fn figures_are_those_of_the_calls_whatever_is_marked() {
    let db = TestDb::new().await;
    for zone in ["America/New_York", "Asia/Kathmandu"] {
        let user = tenant(&db, zone).await;
        fill(&db, user).await;
    }
    assert_eq!(differences(&db).await, Vec::<String>::new(), "nothing is rolled up");
    // Tier by tier, so that each intermediate state is read: quarters done and hours marked, …
    for _ in 0..3 {
        job::run_unit(&db.pool, &job::Options { batch_buckets: 300, ..roll_up_options() }).await.unwrap();
        assert_eq!(differences(&db).await, Vec::<String>::new(), "some is rolled up");
    }
    roll_up(&db).await;
    assert_eq!(differences(&db).await, Vec::<String>::new(), "all is rolled up");
    for change in [
        "UPDATE calls SET started_at = started_at + interval '1 day' WHERE cost_micros % 11 = 0",
        "UPDATE calls SET agent_id = (SELECT a.id FROM agents a WHERE a.user_id = calls.user_id ORDER BY a.id LIMIT 1) WHERE cost_micros % 13 = 0",
        "DELETE FROM calls WHERE cost_micros % 17 = 0",
        "UPDATE lead_analytics SET total_score = 5, quality = 'unqualified'",
    ] {
        sqlx::query(change).execute(&db.admin).await.unwrap();
        assert_eq!(differences(&db).await, Vec::<String>::new(), "{change}");
    }
}

/// Percentiles and contacts against PostgreSQL's own, for marked and clean buckets of each size.
#[tokio::test]
async fn percentiles_and_contacts_are_exact_at_every_grain() {
    let db = TestDb::new().await;
    let user = tenant(&db, "America/New_York").await;
    fill(&db, user).await;
    roll_up(&db).await;
    sqlx::query("UPDATE calls SET duration_seconds = duration_seconds + 100 WHERE cost_micros % 33 = 0 AND outcome = 'answered'")
        .execute(&db.admin)
        .await
        .unwrap();
    for grain in [Grain::Hour, Grain::Day, Grain::Month] {
        let reading = exact::read(&db.pool, &question(user, grain)).await.unwrap();
        assert!(reading.fresh && reading.rows.len() > 1);
        for row in reading.rows {
            let expected: (Option<i32>, Option<i32>, Option<i32>, i64) = sqlx::query_as(
                "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_seconds) FILTER (WHERE duration_seconds > 0),
                        percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_seconds) FILTER (WHERE duration_seconds > 0),
                        percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_seconds) FILTER (WHERE duration_seconds > 0),
                        count(DISTINCT contact_id)
                 FROM calls WHERE user_id = $1 AND started_at >= $2 AND started_at < $3",
            )
            .bind(user)
            .bind(row.bucket_start)
            .bind(row.bucket_end)
            .fetch_one(&db.admin)
            .await
            .unwrap();
            let found =
                (row.duration_p50, row.duration_p95, row.duration_p99, row.distinct_contacts.unwrap_or(0).into());
            assert_eq!(found, expected, "{} {}", grain.as_str(), row.bucket_start);
        }
    }
}

#[tokio::test]
async fn where_too_much_is_marked_stored_figures_are_read_and_said_to_be_behind() {
    let db = TestDb::new().await;
    let user = tenant(&db, "Asia/Kathmandu").await;
    fill(&db, user).await;
    roll_up(&db).await;
    let stored = exact::read(&db.pool, &question(user, Grain::Month)).await.unwrap();
    sqlx::query("DELETE FROM calls WHERE cost_micros % 2 = 0").execute(&db.admin).await.unwrap();
    let guarded = Question { at_most_marked: 50, ..question(user, Grain::Month) };
    let reading = exact::read(&db.pool, &guarded).await.unwrap();
    assert!(!reading.fresh && reading.lag_seconds > 0.0, "{reading:?}");
    assert_eq!(reading.rows, stored.rows);
    // The guard looks at the range that is asked for.
    let elsewhere = Question { from: time("2024-01-01T00:00:00Z"), to: time("2025-01-01T00:00:00Z"), ..guarded };
    let reading = exact::read(&db.pool, &elsewhere).await.unwrap();
    assert!(reading.fresh && reading.rows.is_empty(), "{reading:?}");
    let total: i64 = exact::read(&db.pool, &question(user, Grain::Month))
        .await
        .unwrap()
        .rows
        .iter()
        .filter_map(|row| row.counter("total_calls"))
        .sum();
    assert_eq!(total, number(&db, "SELECT count(*) FROM calls").await);
}

/// Frozen quarters have no calls any more: a mark on them, however it came there, changes nothing.
#[tokio::test]
async fn a_mark_on_a_frozen_quarter_is_not_counted_live() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    fill(&db, user).await;
    roll_up(&db).await;
    let before = exact::read(&db.pool, &question(user, Grain::Day)).await.unwrap();
    sqlx::query("INSERT INTO tally.history_horizons (user_id, frozen_before) VALUES ($1, '2026-03-01 00:00Z')")
        .bind(user)
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("INSERT INTO tally.rollup_marks (user_id, tier, bucket_start) SELECT user_id, 0, bucket_start FROM tally.quarter_rollups WHERE bucket_start < '2026-02-20'")
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("ALTER TABLE calls DISABLE TRIGGER USER").execute(&db.admin).await.unwrap();
    sqlx::query("DELETE FROM calls WHERE started_at < '2026-03-01 00:00Z'").execute(&db.admin).await.unwrap();
    let after = exact::read(&db.pool, &question(user, Grain::Day)).await.unwrap();
    assert_eq!(after.rows, before.rows);
}

/// Readers beside writers and refreshers: no reading is wrong, although the
/// stored figures alone often are. Breaks tried: reading marks of tier 0 only;
/// functions VOLATILE instead of STABLE; each makes this fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reading_is_wrong_while_everything_changes() {
    let db = Arc::new(TestDb::new().await);
    let user = tenant(&db, "America/New_York").await;
    fill(&db, user).await;
    let done = Arc::new(AtomicBool::new(false));
    let refreshers: Vec<_> = (0..2)
        .map(|_| {
            let (db, done) = (Arc::clone(&db), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    job::run_unit(&db.pool, &job::Options { batch_buckets: 20, ..roll_up_options() }).await.unwrap();
                }
            })
        })
        .collect();
    let writer = {
        let (db, done) = (Arc::clone(&db), Arc::clone(&done));
        tokio::spawn(async move {
            let mut round = 0_i64;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let sql = match round % 3 {
                    0 => {
                        "UPDATE calls SET started_at = started_at + interval '50 minutes' WHERE cost_micros % 101 = $1 % 101"
                    }
                    1 => "UPDATE calls SET credits_micros = credits_micros + 1 WHERE cost_micros % 97 = $1 % 97",
                    _ => "DELETE FROM calls WHERE cost_micros = $1 * 7 % 500",
                };
                sqlx::query(sql).bind(round).execute(&db.pool).await.unwrap();
            }
        })
    };
    for reading in 0..15 {
        assert_eq!(differences(&db).await, Vec::<String>::new(), "reading {reading}");
    }
    done.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    for refresher in refreshers {
        refresher.await.unwrap();
    }
}
