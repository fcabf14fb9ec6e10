//! Zones that change: a tenant moves to another one, or a new tz database brings
//! other rules. Figures are exact afterwards, no call is read, nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tallyline_jobs::{extend_calendar, roll_up as job};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::support::*;

/// Longer than anything here takes, so that who waits for a lock fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call every 41 minutes in [from, to), with two agents in turn, some with leads.
async fn seed_calls(db: &TestDb, user: Uuid, from: &str, to: &str) {
    sqlx::query(
        "INSERT INTO calls (user_id, agent_id, started_at, outcome, status, duration_seconds, duration_minutes, credits_micros, cost_micros)
         SELECT $1, a.id, t, 'answered', 'completed', 61 + n % 7, 2, 2000000, n * 13
         FROM generate_series($2::timestamptz, $3::timestamptz - interval '1 second', interval '41 minutes') WITH ORDINALITY AS s (t, n)
         CROSS JOIN LATERAL (SELECT id FROM agents WHERE user_id = $1 ORDER BY bolna_agent_id OFFSET n % 2 LIMIT 1) a",
    )
    .bind(user)
    .bind(from)
    .bind(to)
    .execute(&db.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score)
         SELECT user_id, id, 12, 'hot', 3 FROM calls WHERE user_id = $1 AND duration_seconds = 63
         ON CONFLICT DO NOTHING",
    )
    .bind(user)
    .execute(&db.pool)
    .await
    .unwrap();
}

/// A tenant with two agents.
async fn tenant_in(db: &TestDb, zone: &str) -> Uuid {
    let user = tenant(db, zone).await;
    agent(db, user, "agent-2").await;
    user
}

async fn change_zone(pool: &sqlx::PgPool, user: Uuid, zone: &str) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&mut *tx).await.unwrap();
    sqlx::query("SELECT * FROM tally.change_zone($1, $2)").bind(user).bind(zone).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn waiting_for_locks(db: &TestDb) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    number(db, sql).await
}

/// Rows that are not of the zone that their tenant is in.
const FOREIGN_ROWS: &str = "SELECT count(*) FROM (SELECT user_id, zone FROM user_analytics UNION ALL SELECT user_id, zone FROM agent_analytics) r
     JOIN users u ON u.id = r.user_id WHERE r.zone <> u.timezone";

/// Half an hour, 45 minutes, another date line, and back: what coincides is
/// replaced and what does not goes. Nothing can read a call meanwhile, since the
/// table is locked against everybody.
///
/// Breaks tried: quarters marked instead of local buckets (waits for the lock);
/// stored rows not marked (rows of the old zone stay).
#[tokio::test]
async fn a_tenant_that_moves_is_rebuilt_without_reading_a_call() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    for (from, to) in [("2025-10-31", "2025-11-04"), ("2026-03-07", "2026-03-10"), ("2024-12-31", "2025-01-02")] {
        seed_calls(&db, user, from, to).await;
    }
    roll_up(&db).await;
    for zone in ["Asia/Kolkata", "America/St_Johns", "Pacific/Auckland", "Asia/Kathmandu", "America/New_York"] {
        let mut locked = db.admin.begin().await.unwrap();
        sqlx::query("LOCK TABLE calls, lead_analytics IN ACCESS EXCLUSIVE MODE").execute(&mut *locked).await.unwrap();
        let rebuilt = tokio::time::timeout(PATIENCE, async {
            change_zone(&db.pool, user, zone).await;
            assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks WHERE tier = 0").await, 0);
            roll_up(&db).await;
        });
        rebuilt.await.expect("nothing waits for the table of calls");
        locked.rollback().await.unwrap();
        assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
        assert_eq!(number(&db, FOREIGN_ROWS).await, 0, "{zone}");
        check_exact(&db).await;
    }
}

/// While the change is done but not committed, calls of the tenant are stored,
/// other tenants are rolled up, and this one is passed over; nothing of the change
/// is to be seen. What arrived meanwhile is in the figures of the new zone.
///
/// Breaks tried: `SKIP LOCKED` left out of `held` in lock_buckets.sql (the roll-up
/// of the other tenant waits); users locked FOR UPDATE (the call waits).
#[tokio::test]
async fn nobody_waits_for_a_change_that_is_not_committed() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    let other = tenant_in(&db, "Europe/Berlin").await;
    for tenant in [user, other] {
        seed_calls(&db, tenant, "2026-03-06", "2026-03-10").await;
    }
    roll_up(&db).await;
    sqlx::query("SELECT tally.ensure_zone('Asia/Kolkata')").execute(&db.pool).await.unwrap();

    let mut change = db.pool.begin().await.unwrap();
    let change_zone = sqlx::query("SELECT * FROM tally.change_zone($1, 'Asia/Kolkata')").bind(user);
    change_zone.execute(&mut *change).await.unwrap();
    let meanwhile = tokio::time::timeout(PATIENCE, async {
        for tenant in [user, other] {
            seed_calls(&db, tenant, "2026-03-20", "2026-03-21").await;
        }
        roll_up(&db).await;
    });
    meanwhile.await.expect("neither a call nor a roll-up waits");
    let marked: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT user_id FROM tally.rollup_marks").fetch_all(&db.admin).await.unwrap();
    assert_eq!(marked, [user], "the other tenant is rolled up, this one is not");
    assert_eq!(number(&db, FOREIGN_ROWS).await, 0);

    change.commit().await.unwrap();
    assert!(number(&db, FOREIGN_ROWS).await > 0);
    roll_up(&db).await;
    assert_eq!(number(&db, FOREIGN_ROWS).await, 0);
    check_exact(&db).await;
}

/// A change that is taken back, as when its process dies, leaves nothing behind.
#[tokio::test]
async fn a_change_that_is_not_committed_changes_nothing() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    seed_calls(&db, user, "2026-03-06", "2026-03-10").await;
    roll_up(&db).await;
    sqlx::query("SELECT tally.ensure_zone('Asia/Kolkata')").execute(&db.pool).await.unwrap();
    let mut change = db.pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM tally.change_zone($1, 'Asia/Kolkata')").bind(user).execute(&mut *change).await.unwrap();
    let held: i64 =
        sqlx::query_scalar("SELECT count(*) FROM tally.rollup_marks").fetch_one(&mut *change).await.unwrap();
    assert!(held > 100, "{held} marks");
    change.rollback().await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
    seed_calls(&db, user, "2026-03-11", "2026-03-12").await;
    roll_up(&db).await;
    check_exact(&db).await;
}

/// A transaction with one snapshot cannot see what came before it held the tenant.
#[tokio::test]
async fn a_change_in_one_snapshot_is_refused() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    sqlx::query("SELECT tally.ensure_zone('Asia/Kolkata')").execute(&db.pool).await.unwrap();
    for isolation in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE"] {
        let mut tx = db.pool.begin_with(isolation).await.unwrap();
        let change = sqlx::query("SELECT * FROM tally.change_zone($1, 'Asia/Kolkata')").bind(user);
        let error = change.execute(&mut *tx).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("25001"));
    }
}

/// A worker has read the old zone and is about to write an hour that is not stored
/// yet: the change waits for it, and marks what it has written.
///
/// Break tried: without `FOR UPDATE` on the hold the change does not wait, and the
/// hour of the old zone stays for ever.
#[tokio::test]
async fn a_roll_up_of_the_old_zone_ends_before_the_change() {
    let db = Arc::new(TestDb::new().await);
    let user = tenant_in(&db, "America/New_York").await;
    seed_calls(&db, user, "2026-03-06", "2026-03-08").await;
    roll_up(&db).await;
    sqlx::query("SELECT tally.ensure_zone('Asia/Kolkata')").execute(&db.pool).await.unwrap();
    let mut blocker = db.admin.begin().await.unwrap();
    sqlx::query("SELECT FROM user_analytics WHERE grain = 'hour' FOR UPDATE").execute(&mut *blocker).await.unwrap();
    sqlx::query("UPDATE calls SET cost_micros = cost_micros + 1").execute(&db.pool).await.unwrap();
    seed_calls(&db, user, "2026-03-20", "2026-03-20 06:00").await;

    let worker = tokio::spawn({
        let db = Arc::clone(&db);
        async move { job::run_unit(&db.pool, &roll_up_options()).await }
    });
    wait_until("the worker waits for an hour", PATIENCE, || async { waiting_for_locks(&db).await == 1 }).await;
    let change = tokio::spawn({
        let db = Arc::clone(&db);
        async move { change_zone(&db.pool, user, "Asia/Kolkata").await }
    });
    let waits_or_is_done = || async { waiting_for_locks(&db).await == 2 || change.is_finished() };
    wait_until("the change waits for the worker", PATIENCE, waits_or_is_done).await;
    blocker.rollback().await.unwrap();
    worker.await.unwrap().unwrap();
    change.await.unwrap();
    roll_up(&db).await;
    assert_eq!(number(&db, FOREIGN_ROWS).await, 0);
    check_exact(&db).await;
}

/// A row of an agent without one of the tenant, as a call leaves it that goes while
/// a day is recomputed, goes with the zone all the same.
///
/// Break tried: agents' rows left out of `tally.mark_local_buckets`; the test below
/// fails too, every second time.
#[tokio::test]
async fn rows_of_agents_alone_go_with_the_zone() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    seed_calls(&db, user, "2026-03-06", "2026-03-08").await;
    roll_up(&db).await;
    sqlx::query("DELETE FROM user_analytics").execute(&db.admin).await.unwrap();
    sqlx::query("DELETE FROM tally.quarter_rollups WHERE bucket_start < '2026-03-07'")
        .execute(&db.admin)
        .await
        .unwrap();
    sqlx::query("DELETE FROM calls WHERE started_at < '2026-03-07'").execute(&db.admin).await.unwrap();
    sqlx::query("DELETE FROM tally.rollup_marks").execute(&db.admin).await.unwrap();
    change_zone(&db.pool, user, "Asia/Kolkata").await;
    roll_up(&db).await;
    assert_eq!(number(&db, FOREIGN_ROWS).await, 0);
    check_exact(&db).await;
}

/// Writers, three workers, and a tenant that moves back and forth all the while.
///
/// Breaks tried: without `FOR UPDATE` on the hold; without the marks that are made
/// while it is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_among_writers_and_workers_ends_exact() {
    let db = Arc::new(TestDb::new().await);
    let user = tenant_in(&db, "America/New_York").await;
    seed_calls(&db, user, "2026-03-06", "2026-03-12").await;
    let done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (db, done) = (Arc::clone(&db), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    job::run_unit(&db.pool, &roll_up_options()).await.unwrap();
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..2)
        .map(|w: i32| {
            let (db, done) = (Arc::clone(&db), Arc::clone(&done));
            tokio::spawn(async move { write(&db, &done, w).await })
        })
        .collect();
    for zone in ["Asia/Kolkata", "America/New_York", "America/St_Johns", "Asia/Kathmandu"] {
        let started = Instant::now();
        change_zone(&db.pool, user, zone).await;
        println!("to {zone} beside three busy workers: {} ms", started.elapsed().as_millis());
    }
    done.store(true, Ordering::Relaxed);
    for task in writers.into_iter().chain(workers) {
        task.await.unwrap();
    }
    roll_up(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
    assert_eq!(number(&db, FOREIGN_ROWS).await, 0);
    check_exact(&db).await;
}

/// Inserts, changes, moves and deletes calls until it is told to stop.
async fn write(db: &TestDb, done: &AtomicBool, w: i32) {
    let mut round = 0;
    while !done.load(Ordering::Relaxed) {
        round += 1;
        let sql = match (round + w) % 4 {
            0 => "UPDATE calls SET started_at = started_at + interval '95 minutes' WHERE id IN (SELECT id FROM calls ORDER BY md5(id::text || $1) LIMIT 5)",
            1 => "UPDATE calls SET cost_micros = cost_micros + 1 WHERE id IN (SELECT id FROM calls ORDER BY md5(id::text || $1) LIMIT 9)",
            2 => "DELETE FROM calls WHERE id IN (SELECT id FROM calls ORDER BY md5(id::text || $1) LIMIT 1)",
            _ => "INSERT INTO calls (user_id, agent_id, started_at, cost_micros)
                  SELECT user_id, id, '2026-03-05 17:00Z'::timestamptz + ('x' || left(md5($1), 4))::bit(16)::int * interval '13 minutes', 7
                  FROM agents LIMIT 2",
        };
        // Deadlocks between these writers are theirs alone; they go on with something else.
        let _ = sqlx::query(sql).bind(format!("{w}-{round}")).execute(&db.pool).await;
    }
}

/// Five years of hours with three agents: what the change costs, and how little of
/// it anybody could notice.
#[tokio::test]
async fn five_years_of_hours_are_marked_before_anything_is_held() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    sqlx::query("SELECT tally.ensure_zone('Asia/Kolkata')").execute(&db.pool).await.unwrap();
    for statement in [
        "INSERT INTO tally.quarter_rollups (user_id, bucket_start, agent_id, generation, duration_values, duration_counts, contact_ids)
         SELECT $1, q, ('00000000-0000-4000-8000-00000000000' || n)::uuid, 1, '{}', '{}', '{}'
         FROM generate_series(timestamptz '2020-01-01 05:00Z', '2025-01-01 04:00Z', interval '1 hour') q, generate_series(1, 3) n",
        "INSERT INTO user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, hour, generation)
         SELECT $1, 'hour', q, q + interval '1 hour', 'America/New_York', '2020-01-01', 0, 1
         FROM generate_series(timestamptz '2020-01-01 05:00Z', '2025-01-01 04:00Z', interval '1 hour') q",
    ] {
        sqlx::query(statement).bind(user).execute(&db.admin).await.unwrap();
    }
    let (marks, while_held, held, locked): (i64, i64, f64, f64) = sqlx::query_as(
        "SELECT marks, marks_while_held, held_seconds, row_locked_seconds FROM tally.change_zone($1, 'Asia/Kolkata')",
    )
    .bind(user)
    .fetch_one(&db.pool)
    .await
    .unwrap();
    let milliseconds = |seconds: f64| seconds * 1000.0;
    println!(
        "{marks} marks before, {while_held} while held; roll-ups of the tenant excluded for {:.0} ms, its row locked for {:.2} ms",
        milliseconds(held),
        milliseconds(locked)
    );
    assert_eq!(while_held, 0);
    let hours = 43_848;
    // The hours of both zones lie half an hour apart, so none coincides.
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks WHERE tier = 1").await, 2 * hours);
    assert!(locked < 0.5 && locked < held, "the row was locked for {locked} s");
}

/// An older tz database that does not know of Berlin's summer time in 2024: its
/// rows of that season are those of a zone that stays at +01:00.
async fn forget_summer_2024(db: &TestDb) {
    sqlx::query("SELECT tally.ensure_zone('Africa/Lagos')").execute(&db.pool).await.unwrap();
    for statement in [
        "DELETE FROM tally.zone_offsets WHERE zone = 'Europe/Berlin' AND period_start IN ('2024-03-31 01:00Z', '2024-10-27 01:00Z')",
        "UPDATE tally.zone_offsets SET period_end = '2025-03-30 01:00Z' WHERE zone = 'Europe/Berlin' AND period_start = '2023-10-29 01:00Z'",
        "DELETE FROM tally.calendar WHERE zone = 'Europe/Berlin' AND (grain = 'day' AND date BETWEEN '2024-03-31' AND '2024-10-27'
             OR grain = 'month' AND date BETWEEN '2024-03-01' AND '2024-10-01')",
        "INSERT INTO tally.calendar SELECT 'Europe/Berlin', grain, bucket_start, bucket_end, date FROM tally.calendar
         WHERE zone = 'Africa/Lagos' AND (grain = 'day' AND date BETWEEN '2024-03-31' AND '2024-10-27'
             OR grain = 'month' AND date BETWEEN '2024-03-01' AND '2024-10-01')",
    ] {
        sqlx::query(statement).execute(&db.admin).await.unwrap();
    }
}

/// Hours that are not called what the server calls their first instant today. An
/// hour's change of the clock moves days, but of hours only the names.
const MISNAMED_HOURS: &str = "SELECT count(*) FROM user_analytics h JOIN users u ON u.id = h.user_id
     WHERE h.grain = 'hour' AND (h.date, h.hour) IS DISTINCT FROM
         ((h.bucket_start AT TIME ZONE u.timezone)::date, extract(hour FROM h.bucket_start AT TIME ZONE u.timezone)::integer)";

async fn differences(db: &TestDb) -> usize {
    let lines: Vec<String> = sqlx::query_scalar(include_str!("differences.sql")).fetch_all(&db.admin).await.unwrap();
    lines.len()
}

/// Breaks tried: without the marks (differences stay); with everything marked (marks
/// outside the season); without `store_zone` (the second run finds the same again).
#[tokio::test]
async fn a_new_tz_database_is_derived_and_what_changed_is_marked() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "Europe/Berlin").await;
    let elsewhere = tenant_in(&db, "America/New_York").await;
    forget_summer_2024(&db).await;
    for (from, to) in [
        ("2023-07-01", "2023-07-03"),
        ("2024-03-29", "2024-04-03"),
        ("2024-06-30", "2024-07-02"),
        ("2024-10-25", "2024-10-30"),
        ("2025-06-30", "2025-07-02"),
    ] {
        seed_calls(&db, user, from, to).await;
        seed_calls(&db, elsewhere, from, to).await;
    }
    roll_up(&db).await;
    assert!(differences(&db).await > 20, "the figures are those of the older calendar");
    assert!(number(&db, MISNAMED_HOURS).await > 100);
    let untouched = "SELECT sum(generation)::bigint FROM tally.rollup_buckets b JOIN users u ON u.id = b.user_id
         WHERE u.timezone <> 'Europe/Berlin' OR b.tier < 3 AND b.bucket_start NOT BETWEEN '2024-03-30' AND '2024-10-29'";
    let before = number(&db, untouched).await;

    let refreshed = extend_calendar::refresh_zones(&db.pool).await.unwrap();
    assert_eq!((refreshed.extended, refreshed.changed), (0, 1));
    assert!(refreshed.marks > 100, "{} marks", refreshed.marks);
    assert_eq!(refreshed.marks, number(&db, "SELECT count(*) FROM tally.rollup_marks").await);
    let marked: (i64, DateTime<Utc>, DateTime<Utc>, Vec<Uuid>) = sqlx::query_as(
        "SELECT count(*), min(bucket_start) FILTER (WHERE tier < 3), max(bucket_start) FILTER (WHERE tier < 3), array_agg(DISTINCT user_id)
         FROM tally.rollup_marks WHERE tier > 0",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    assert_eq!((marked.0, marked.3), (refreshed.marks, vec![user]), "no quarter and no other tenant is marked");
    assert!(marked.1 >= "2024-03-30T22:00:00Z".parse::<DateTime<Utc>>().unwrap(), "{}", marked.1);
    assert!(marked.2 <= "2024-10-27T23:00:00Z".parse::<DateTime<Utc>>().unwrap(), "{}", marked.2);

    roll_up(&db).await;
    assert_eq!(number(&db, untouched).await, before, "what did not change is not made anew");
    assert_eq!(number(&db, MISNAMED_HOURS).await, 0);
    check_exact(&db).await;
    assert_eq!(extend_calendar::refresh_zones(&db.pool).await.unwrap(), extend_calendar::Refreshed::default());
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
}

/// Break tried: a zone's rows rewritten whether they agree or not.
#[tokio::test]
async fn a_tz_database_that_agrees_changes_nothing() {
    let db = TestDb::new().await;
    for zone in ["Africa/Cairo", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"] {
        let user = tenant_in(&db, zone).await;
        seed_calls(&db, user, "2026-03-28", "2026-03-30").await;
    }
    roll_up(&db).await;
    // Transaction ids that wrote the rows: rows that are written again have others.
    let rows = "SELECT hashtextextended(string_agg(r, ';' ORDER BY r), 0) FROM (
             SELECT concat_ws(' ', o.xmin, o.zone, o.period_start, o.period_end) AS r FROM tally.zone_offsets o
             UNION ALL SELECT concat_ws(' ', c.xmin, c.zone, c.grain, c.bucket_start) FROM tally.calendar c) rows";
    let before = number(&db, rows).await;
    assert_eq!(extend_calendar::refresh_zones(&db.pool).await.unwrap(), extend_calendar::Refreshed::default());
    assert_eq!(number(&db, rows).await, before);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await, 0);
}

/// A calendar that ends where that of last year did is taken to its end; a call
/// in the last, cut-off day of then is counted in the whole day.
///
/// Break tried: without the marks at the seam the day keeps its old end.
#[tokio::test]
async fn a_calendar_that_ends_too_early_is_extended() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "Asia/Kolkata").await;
    for statement in [
        "DELETE FROM tally.zone_offsets WHERE period_start >= '2026-01-01Z'",
        "UPDATE tally.zone_offsets SET period_end = '2026-01-01Z' WHERE period_end > '2026-01-01Z'",
        "DELETE FROM tally.calendar WHERE bucket_start >= '2026-01-01Z'",
        "UPDATE tally.calendar SET bucket_end = '2026-01-01Z' WHERE bucket_end > '2026-01-01Z'",
    ] {
        sqlx::query(statement).execute(&db.admin).await.unwrap();
    }
    seed_calls(&db, user, "2025-12-31 12:00Z", "2026-01-01 00:00Z").await;
    roll_up(&db).await;
    let refreshed = extend_calendar::refresh_zones(&db.pool).await.unwrap();
    assert_eq!((refreshed.extended, refreshed.changed), (2, 0), "Kolkata and UTC");
    roll_up(&db).await;
    check_exact(&db).await;
    let cut = "SELECT count(*) FROM user_analytics WHERE bucket_end = '2026-01-01Z'";
    assert_eq!(number(&db, cut).await, 0, "half an hour past midnight no local hour, day or month ends");
    seed_calls(&db, user, "2026-01-01 00:00Z", "2026-01-02 00:00Z").await;
    roll_up(&db).await;
    check_exact(&db).await;
}

/// Break tried: without the holds in `tally.refresh_zone` it does not wait.
#[tokio::test]
async fn a_new_calendar_waits_for_roll_ups_under_way() {
    let db = Arc::new(TestDb::new().await);
    let user = tenant_in(&db, "Europe/Berlin").await;
    forget_summer_2024(&db).await;
    seed_calls(&db, user, "2024-06-30", "2024-07-02").await;
    roll_up(&db).await;
    let mut blocker = db.admin.begin().await.unwrap();
    sqlx::query("SELECT FROM user_analytics WHERE grain = 'hour' FOR UPDATE").execute(&mut *blocker).await.unwrap();
    sqlx::query("UPDATE calls SET cost_micros = cost_micros + 1").execute(&db.pool).await.unwrap();
    seed_calls(&db, user, "2024-08-01", "2024-08-01 06:00").await;
    let worker = tokio::spawn({
        let db = Arc::clone(&db);
        async move { job::run_unit(&db.pool, &roll_up_options()).await }
    });
    wait_until("the worker waits for an hour", PATIENCE, || async { waiting_for_locks(&db).await == 1 }).await;
    let refresh = tokio::spawn({
        let db = Arc::clone(&db);
        async move { extend_calendar::refresh_zones(&db.pool).await }
    });
    let waits_or_is_done = || async { waiting_for_locks(&db).await == 2 || refresh.is_finished() };
    wait_until("the new calendar waits for the worker", PATIENCE, waits_or_is_done).await;
    assert!(!refresh.is_finished());
    blocker.rollback().await.unwrap();
    worker.await.unwrap().unwrap();
    refresh.await.unwrap().unwrap();
    roll_up(&db).await;
    check_exact(&db).await;
}

/// Calls and the total of the overview's last 30 days.
async fn overview(db: &TestDb, user: Uuid) -> (i64, i64) {
    sqlx::query(include_str!("../../../sql/cache/upsert_overview.sql"))
        .bind(user)
        .bind(3600.0)
        .execute(&db.pool)
        .await
        .unwrap();
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM calls WHERE user_id = $1), (cache_data->'conversations'->>'total')::bigint
         FROM dashboard_cache WHERE user_id = $1",
    )
    .bind(user)
    .fetch_one(&db.admin)
    .await
    .unwrap()
}

/// Between the change and the roll-up, rows of the zone that was left are nobody's
/// figures: counted beside those of the new zone they would be counted twice.
///
/// Break tried: `zone = u.timezone` left out of upsert_overview.sql; it counts
/// every call that it should not.
#[tokio::test]
async fn what_is_of_a_zone_that_was_left_is_not_shown() {
    let db = TestDb::new().await;
    let user = tenant_in(&db, "America/New_York").await;
    let days_ago = "SELECT (date_trunc('hour', now()) - make_interval(days => $1))::text";
    let mut bounds = Vec::new();
    for days in [9, 3] {
        bounds.push(sqlx::query_scalar::<_, String>(days_ago).bind(days).fetch_one(&db.admin).await.unwrap());
    }
    seed_calls(&db, user, &bounds[0], &bounds[1]).await;
    roll_up(&db).await;
    let (calls, shown) = overview(&db, user).await;
    assert_eq!((shown, calls > 200), (calls, true));
    change_zone(&db.pool, user, "Asia/Kolkata").await;
    assert_eq!(overview(&db, user).await, (calls, 0));
    roll_up(&db).await;
    assert_eq!(overview(&db, user).await, (calls, calls));
}
