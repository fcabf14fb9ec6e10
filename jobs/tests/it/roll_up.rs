//! Roll-ups equal their calls, whatever happens to the calls meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tallyline_jobs::roll_up as job;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

/// Calls around the given instants, an agent each, some with leads.
async fn seed_calls(db: &TestDb, user: Uuid, around: &[&str]) {
    for (i, at) in around.iter().enumerate() {
        agent(db, user, &format!("agent-{i}")).await;
        sqlx::query(
            "INSERT INTO calls (user_id, agent_id, started_at, outcome, status, duration_seconds, duration_minutes, credits_micros, cost_micros)
             SELECT $1, a.id, $2::timestamptz + n * interval '7 minutes', o.outcome,
                    CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed' ELSE 'failed' END,
                    o.seconds, ceil(o.seconds / 60.0), ceil(o.seconds / 60.0) * 1000000, abs(n) * 137
             FROM generate_series(-40, 40) n
             CROSS JOIN LATERAL (SELECT id FROM agents WHERE user_id = $1 ORDER BY bolna_agent_id OFFSET abs(n) % 2 LIMIT 1) a
             CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'voicemail', 'no_answer', 'busy', 'failed'])[1 + abs(n) % 5] AS outcome,
                                        CASE WHEN abs(n) % 5 < 2 THEN abs(n) * 11 ELSE 0 END AS seconds) o",
        )
        .bind(user)
        .bind(*at)
        .execute(&db.pool)
        .await
        .unwrap();
    }
    sqlx::query(
        "INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score)
         SELECT user_id, id, 12, 'hot', 3 FROM calls WHERE user_id = $1 AND outcome = 'answered' AND duration_seconds % 2 = 1",
    )
    .bind(user)
    .execute(&db.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn every_tier_equals_its_calls_on_the_days_when_clocks_turn() {
    let db = TestDb::new().await;
    let zones: [(&str, &[&str]); 6] = [
        ("America/New_York", &["2025-11-02 06:00Z", "2026-03-08 07:00Z", "2025-12-31 23:50-05:00"]),
        ("Asia/Kolkata", &["2026-02-28 18:30Z", "2026-03-01 00:00Z"]),
        ("Asia/Kathmandu", &["2026-03-31 18:15Z"]),
        ("Europe/Berlin", &["2026-03-29 01:00Z", "2025-10-26 01:00Z"]),
        ("Africa/Cairo", &["2026-04-23 22:00Z", "2025-10-30 21:00Z"]),
        ("America/Santiago", &["2025-09-07 04:00Z", "2026-04-05 03:00Z"]),
    ];
    for (zone, around) in zones {
        let user = tenant(&db, zone).await;
        seed_calls(&db, user, around).await;
    }
    roll_up(&db).await;
    check_exact(&db).await;
    let fall_back: i64 = number(
        &db,
        "SELECT count(*) FROM user_analytics WHERE zone = 'America/New_York' AND grain = 'hour' AND date = '2025-11-02' AND hour = 1",
    )
    .await;
    assert_eq!(fall_back, 2, "the hour that comes twice is two buckets");
}

/// Turns by half an hour, and turns that go back over midnight: there Postgres's
/// own `date_trunc` gives keys that are not the first instant of the hour or the
/// day, so days are compared by their dates.
#[tokio::test]
async fn days_and_hours_are_right_where_the_servers_own_truncation_is_not() {
    let turns: [(&str, &[&str]); 3] = [
        ("Australia/Lord_Howe", &["2026-04-04 15:00Z", "2025-10-04 15:30Z"]),
        ("America/Havana", &["2024-11-03 04:30Z", "2025-03-09 05:00Z"]),
        ("Atlantic/Azores", &["2024-10-27 00:30Z"]),
    ];
    for (zone, around) in turns {
        let db = TestDb::new().await;
        let user = tenant(&db, zone).await;
        seed_calls(&db, user, around).await;
        roll_up(&db).await;
        let calls = number(&db, "SELECT count(*) FROM calls").await;
        assert_eq!(number(&db, "SELECT sum(total_calls) FROM user_analytics WHERE grain = 'hour'").await, calls);
        assert_eq!(number(&db, "SELECT sum(total_calls) FROM user_analytics WHERE grain = 'day'").await, calls);
        let wrong_days = number(
            &db,
            "SELECT count(*) FROM user_analytics d JOIN users u ON u.id = d.user_id
             WHERE d.grain = 'day' AND (d.total_calls <> (
                 SELECT count(*) FROM calls c WHERE (c.started_at AT TIME ZONE u.timezone)::date = d.date)
                 OR d.total_calls <> (SELECT sum(h.total_calls) FROM user_analytics h WHERE h.grain = 'hour' AND h.date = d.date))",
        )
        .await;
        assert_eq!(wrong_days, 0, "{zone}");
        if zone == "Australia/Lord_Howe" {
            let half_hours = "SELECT count(*) FROM user_analytics WHERE grain = 'hour' AND bucket_end - bucket_start = interval '30 minutes'";
            assert!(number(&db, half_hours).await > 0, "an hour that the turn cuts is half as long");
        }
    }
}

#[tokio::test]
async fn changes_deletions_and_moves_converge_and_leave_no_ghosts() {
    let db = TestDb::new().await;
    let user = tenant(&db, "Asia/Kolkata").await;
    seed_calls(&db, user, &["2026-03-31 18:30Z"]).await;
    roll_up(&db).await;
    for change in [
        "UPDATE calls SET started_at = started_at + interval '1 month' WHERE duration_seconds > 200",
        "UPDATE calls SET outcome = 'busy', status = 'failed', duration_seconds = 0, duration_minutes = 0 WHERE outcome = 'voicemail'",
        "DELETE FROM calls WHERE started_at < '2026-03-31 17:00Z'",
        "UPDATE lead_analytics SET total_score = 5, quality = 'unqualified'",
        "DELETE FROM lead_analytics WHERE intent_score = 3 AND total_score = 5",
        "DELETE FROM calls",
    ] {
        sqlx::query(change).execute(&db.admin).await.unwrap();
        roll_up(&db).await;
        check_exact(&db).await;
    }
    assert_eq!(number(&db, "SELECT count(*) FROM user_analytics").await, 0);
}

/// Marking a lead as read moved the agent's averages before. Break tried: `is_read` compared by the trigger, too.
#[tokio::test]
async fn defect_12_a_change_that_no_figure_depends_on_marks_nothing() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    seed_calls(&db, user, &["2026-03-31 18:30Z"]).await;
    roll_up(&db).await;
    sqlx::query("UPDATE calls SET recording_url = 'x', summary = 'y'").execute(&db.admin).await.unwrap();
    sqlx::query("UPDATE lead_analytics SET is_read = true, smart_notification = 'x', reasoning = '{}'")
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("UPDATE calls SET outcome = outcome").execute(&db.admin).await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
}

/// Four refreshers beside writers that insert, update, move and delete.
/// Breaks tried: consuming the marks after the recomputation, and marking only
/// the new side of an update; each makes this fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_and_refreshers_end_exact() {
    let db = Arc::new(TestDb::new().await);
    let user = tenant(&db, "Asia/Kathmandu").await;
    seed_calls(&db, user, &["2026-03-31 18:15Z"]).await;
    let done = Arc::new(AtomicBool::new(false));

    let refreshers: Vec<_> = (0..4)
        .map(|_| {
            let (db, done) = (Arc::clone(&db), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    job::run_unit(&db.pool, &roll_up_options()).await.unwrap();
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..4)
        .map(|w: i32| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                for round in 0..40 {
                    let sql = match (round + w) % 4 {
                        0 => "UPDATE calls SET started_at = started_at + interval '9 minutes' WHERE id IN (SELECT id FROM calls ORDER BY md5(id::text || $1) LIMIT 5)",
                        1 => "UPDATE calls SET cost_micros = cost_micros + 1 WHERE id IN (SELECT id FROM calls ORDER BY md5(id::text || $1) LIMIT 9)",
                        2 => "DELETE FROM calls WHERE id IN (SELECT id FROM calls ORDER BY md5(id::text || $1) LIMIT 1)",
                        _ => "INSERT INTO calls (user_id, agent_id, started_at, cost_micros)
                              SELECT user_id, id, '2026-03-31 17:00Z'::timestamptz + length($1) * interval '5 minutes', 7 FROM agents LIMIT 2",
                    };
                    // Deadlocks between these writers are theirs alone; they try again.
                    for _ in 0..20 {
                        if sqlx::query(sql).bind(format!("{w}-{round}")).execute(&db.pool).await.is_ok() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for refresher in refreshers {
        refresher.await.unwrap();
    }
    roll_up(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
    check_exact(&db).await;
}

/// A bucket that cannot be recomputed (here, one beyond the calendar's end) rests
/// and says why; those of its batch, and of other tenants, are recomputed.
/// Break tried: the failure handed on instead of halved; nobody's figures appear.
#[tokio::test]
async fn a_poisoned_bucket_holds_up_nobody() {
    let db = TestDb::new().await;
    let poisoned = tenant(&db, "Asia/Kolkata").await;
    let other = tenant(&db, "UTC").await;
    seed_calls(&db, poisoned, &["2026-03-31 18:30Z"]).await;
    seed_calls(&db, other, &["2026-03-31 18:30Z"]).await;
    sqlx::query("UPDATE calls SET started_at = '2051-01-01 00:00Z' WHERE id = (SELECT id FROM calls WHERE user_id = $1 ORDER BY started_at LIMIT 1)")
        .bind(poisoned)
        .execute(&db.admin)
        .await
        .unwrap();
    roll_up(&db).await;
    let counted = "SELECT sum(total_calls)::bigint FROM user_analytics WHERE grain = 'month'";
    let calls = number(&db, "SELECT count(*) FROM calls").await;
    assert_eq!(number(&db, counted).await, calls - 1);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 1, "the mark stays");
    let failing = "SELECT count(*) FROM tally.rollup_buckets WHERE failures = 1 AND not_before > now() AND last_error LIKE 'SQLSTATE 23502%'";
    assert_eq!(number(&db, failing).await, 1);

    // Its call comes to its senses, the rest is over: it is like any other bucket.
    sqlx::query("UPDATE calls SET started_at = '2026-04-01 00:00Z' WHERE started_at > '2050-01-01'")
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("UPDATE tally.rollup_buckets SET not_before = now()").execute(&db.admin).await.unwrap();
    roll_up(&db).await;
    check_exact(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_buckets WHERE failures > 0").await, 0);
}

/// A bucket that was just recomputed waits with its marks, others do not; the
/// exact read counts it all the same. Break tried: `not_before` left out of
/// candidates.sql.
#[tokio::test]
async fn a_bucket_rests_after_it_was_recomputed() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    seed_calls(&db, user, &["2026-03-31 18:30Z"]).await;
    let resting = job::Options {
        debounce: job::Debounce { least: Duration::from_secs(3600), cost_factor: 5 },
        ..job::Options::default()
    };
    while job::run_unit(&db.pool, &resting).await.unwrap() > 0 {}
    sqlx::query("UPDATE calls SET cost_micros = cost_micros + 1000000").execute(&db.pool).await.unwrap();
    assert_eq!(job::run_unit(&db.pool, &resting).await.unwrap(), 0, "all of them rest");
    let new_bucket =
        "UPDATE calls SET started_at = '2026-05-01 00:00Z' WHERE id = (SELECT min(id::text)::uuid FROM calls)";
    sqlx::query(new_bucket).execute(&db.pool).await.unwrap();
    assert!(job::run_unit(&db.pool, &resting).await.unwrap() > 0, "a new bucket does not");
    sqlx::query("UPDATE tally.rollup_buckets SET not_before = now()").execute(&db.admin).await.unwrap();
    roll_up(&db).await;
    check_exact(&db).await;
}

/// One tenant marks everything it has; another's single change is among the very
/// next buckets. Break seen: the batch locked in the order of keys instead of turns,
/// which left the tenant with the greater id to wait until the pile was gone.
#[tokio::test]
async fn one_tenants_pile_does_not_hold_up_another() {
    let db = TestDb::new().await;
    let (one, other) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    let (busy, quiet) = (one.min(other), one.max(other));
    let days =
        ["2026-03-01 18:30Z", "2026-03-05 18:30Z", "2026-03-09 18:30Z", "2026-03-13 18:30Z", "2026-03-17 18:30Z"];
    seed_calls(&db, busy, &days).await;
    seed_calls(&db, quiet, &["2026-02-01 18:30Z"]).await;
    roll_up(&db).await;
    sqlx::query("UPDATE calls SET cost_micros = cost_micros + 1 WHERE user_id = $1")
        .bind(busy)
        .execute(&db.pool)
        .await
        .unwrap();
    sqlx::query("UPDATE calls SET cost_micros = cost_micros + 1 WHERE id = (SELECT min(id::text)::uuid FROM calls WHERE user_id = $1)")
        .bind(quiet)
        .execute(&db.pool)
        .await
        .unwrap();
    // Each tier of the unit has room for two buckets of the hundreds that are marked.
    job::run_unit(&db.pool, &job::Options { batch_buckets: 2, ..job::Options::default() }).await.unwrap();
    let left = "SELECT count(*) FROM tally.rollup_marks WHERE user_id = (SELECT max(id::text)::uuid FROM users)";
    assert_eq!(number(&db, left).await, 0, "through all tiers in one unit");
}
