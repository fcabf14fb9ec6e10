//! The KPI view and the caches: refreshed once for many requests, by one at a
//! time, at each tenant's midnight, and not stopped by another tenant's data.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::Value;
use tallyline_jobs::settings::SettingsHandle;
use tallyline_jobs::{Deps, archive_calls, audit_rollups, registry};
use tallyline_queue::{Hint, Runner};
use tallyline_secrets::SealingKey;
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::support::*;

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn deps(db: &TestDb, expire_seconds: u32) -> Arc<Deps> {
    Arc::new(Deps {
        pool: db.pool.clone(),
        http: tallyline_jobs::http::client().unwrap(),
        sealing_key: SealingKey::new([7; 32]),
        settings: SettingsHandle::default(),
        dashboards_expire_seconds: expire_seconds,
        retention: retention(),
        audit: audit_rollups::Options { tenants: 1, buckets: 1 },
        archive: archive_calls::Options { directory: None, calls_months: 0 },
        reconcile: reconcile_options(),
        inbox_hint: Hint::new(),
    })
}

/// A worker as a process has one, with a lease and connections of its own.
fn worker(db: &TestDb) -> Runner {
    Runner::builder(db.pool.clone(), registry().unwrap(), deps(db, 3600)).start().unwrap()
}

async fn run(db: &TestDb, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&db.admin).await.unwrap();
}

async fn until(db: &TestDb, what: &str, sql: &'static str, expected: i64) {
    wait_until(what, LONG, || async { number(db, sql).await == expected }).await;
}

/// Day figures of today and the days before in the tenant's zone, `calls` each.
async fn days(db: &TestDb, user: Uuid, count: i32, calls: i32) {
    sqlx::query(include_str!("insert_days.sql")).bind(user).bind(count).bind(calls).execute(&db.admin).await.unwrap();
}

const ASK_VIEW: &str = "SELECT tally.request_job('refresh_kpi_summary', 'view', NULL, '1 hour')";
const REFRESHES: &str =
    "SELECT count(*) FROM tally.job_history WHERE kind = 'refresh_kpi_summary' AND outcome = 'succeeded'";
/// Backends that refresh or wait for their turn.
const AT_IT: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
    AND pid <> pg_backend_pid() AND query ~ 'pg_advisory_xact_lock|SELECT tally.refresh_kpi_summary'";

/// A hundred requests by ten connections at once, before two workers. Break tried:
/// `clock_timestamp()::text` for the key: 100 rows, and as many refreshes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_21_a_hundred_requests_in_a_second_are_one_refresh() {
    let db = Arc::new(TestDb::new().await);
    tenant(&db, "Asia/Kolkata").await;
    let workers = [worker(&db), worker(&db)];
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let db = Arc::clone(&db);
            tokio::spawn(async move { sqlx::query(ASK_VIEW).execute(&db.pool).await })
        })
        .collect();
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert_eq!(
        number(&db, "SELECT requested::bigint FROM tally.jobs").await,
        100,
        "one row, that waits for more reasons"
    );
    // The wait ends.
    run(&db, "UPDATE tally.jobs SET run_at = now()").await;
    until(&db, "the queue is empty", "SELECT count(*) FROM tally.jobs", 0).await;
    assert_eq!(number(&db, REFRESHES).await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM user_kpi_summary").await, 1);
    for worker in workers {
        assert!(worker.shutdown(LONG).await);
    }
}

/// The clock's job and a hundred requests come while a refresh is at it. Breaks
/// tried: the clock's job refreshing by itself, whatever its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_never_refresh_at_once_and_a_request_meanwhile_is_one_more() {
    let db = TestDb::new().await;
    tenant(&db, "Asia/Kolkata").await;
    // Another process refreshes and does not end.
    let mut other = db.pool.begin().await.unwrap();
    sqlx::query("SELECT tally.refresh_kpi_summary()").execute(&mut *other).await.unwrap();
    let workers = [worker(&db), worker(&db)];
    run(&db, "SELECT tally.request_job('refresh_kpi_summary', 'view')").await;
    until(&db, "a worker waits for its turn", AT_IT, 1).await;

    for _ in 0..100 {
        sqlx::query("SELECT tally.request_job('refresh_kpi_summary', 'view')").execute(&db.pool).await.unwrap();
    }
    run(&db, "SELECT tally.request_job('refresh_kpi_summary', 'schedule:' || n) FROM generate_series(1, 5) n").await;
    until(&db, "the clock's jobs are done", "SELECT count(*) FROM tally.jobs WHERE coalesce_key <> 'view'", 0).await;
    assert_eq!(number(&db, AT_IT).await, 1, "one refreshes, whatever the number of workers and requests");
    assert_eq!(number(&db, "SELECT count(*) FROM tally.jobs WHERE coalesce_key = 'view'").await, 1);

    other.commit().await.unwrap();
    until(&db, "the queue is empty", "SELECT count(*) FROM tally.jobs", 0).await;
    assert_eq!(number(&db, REFRESHES).await, 5 + 2, "the clock's five, the one that ran and one for all meanwhile");
    for worker in workers {
        assert!(worker.shutdown(LONG).await);
    }
}

/// A row says of when it is: neither now() nor the start of the wait. Break
/// tried: the job without the lock in a statement of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_waited_is_of_when_its_turn_came() {
    let db = TestDb::new().await;
    tenant(&db, "Asia/Kolkata").await;
    let mut other = db.pool.begin().await.unwrap();
    sqlx::query("SELECT tally.refresh_kpi_summary()").execute(&mut *other).await.unwrap();
    let worker = worker(&db);
    run(&db, "SELECT tally.request_job('refresh_kpi_summary', 'view')").await;
    until(&db, "the worker waits for its turn", AT_IT, 1).await;
    let turn: f64 =
        sqlx::query_scalar("SELECT extract(epoch FROM clock_timestamp())::float8").fetch_one(&db.admin).await.unwrap();
    other.commit().await.unwrap();
    until(&db, "the queue is empty", "SELECT count(*) FROM tally.jobs", 0).await;
    let calculated: f64 = sqlx::query_scalar("SELECT extract(epoch FROM calculated_at)::float8 FROM user_kpi_summary")
        .fetch_one(&db.admin)
        .await
        .unwrap();
    assert!(calculated >= turn, "of when its turn came, not of when it began to wait");
    assert!(worker.shutdown(LONG).await);
}

/// First and last day of the view, the overview and the trends, in this order.
async fn windows(db: &TestDb) -> Vec<(NaiveDate, NaiveDate)> {
    sqlx::query_as(
        "SELECT window_start, window_end FROM user_kpi_summary
         UNION ALL
         SELECT * FROM (SELECT (cache_data ->> 'windowStart')::date, (cache_data ->> 'windowEnd')::date
                        FROM dashboard_cache ORDER BY cache_key) c",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap()
}

/// Lets the schedules' jobs ask for what is due.
async fn clock(db: &TestDb) {
    run(
        db,
        "SELECT tally.request_job('refresh_kpi_summary', 'schedule:refresh-kpi-summary');
         SELECT tally.request_job('rebuild_all_dashboards', 'schedule:rebuild-expired-dashboards')",
    )
    .await;
    until(db, "the clock has asked", "SELECT count(*) FROM tally.jobs WHERE coalesce_key LIKE 'schedule:%'", 0).await;
}

/// Nothing changes but the day: its end is moved to some seconds ahead. Breaks
/// tried, each of which leaves a window where it was or moves it before the
/// midnight: `expires_at` an hour on whatever the midnight (in
/// upsert_overview.sql); the requests of the clock without their wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_move_at_the_tenants_midnight_though_nothing_changed() {
    let db = TestDb::new().await;
    let user = tenant(&db, "Asia/Kathmandu").await;
    days(&db, user, 40, 10).await;
    let worker = worker(&db);
    let midnight: DateTime<Utc> =
        sqlx::query_scalar(include_str!("move_midnight.sql")).bind(user).bind(12.0).fetch_one(&db.admin).await.unwrap();
    run(
        &db,
        "SELECT tally.request_job('refresh_kpi_summary', 'view');
         SELECT tally.request_job('rebuild_dashboards', 'tenant', id), tally.request_job('analyze_trends', 'tenant', id) FROM users",
    )
    .await;
    until(&db, "all is built", "SELECT count(*) FROM tally.jobs", 0).await;
    let expiries: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT expires_at FROM user_kpi_summary UNION ALL SELECT expires_at FROM dashboard_cache")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(expiries, [midnight; 3], "the view, the overview and the trends end with the day");
    let before = windows(&db).await;

    clock(&db).await;
    let asked: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT run_at FROM tally.jobs").fetch_all(&db.admin).await.unwrap();
    assert_eq!(asked, [midnight; 3], "asked for the moment at which they expire");

    until(&db, "the day has ended and all is rebuilt", "SELECT count(*) FROM tally.jobs", 0).await;
    let after: Vec<_> = before.iter().map(|(start, end)| (*start + Days::new(1), *end + Days::new(1))).collect();
    assert_eq!(windows(&db).await, after);
    let early = "SELECT count(*) FROM tally.job_history h WHERE kind <> 'rebuild_all_dashboards'";
    assert_eq!(number(&db, early).await, 3 + 3 + 1, "each once before and once after, and the clock's own");
    assert!(worker.shutdown(LONG).await);
}

/// A look that comes late, or a request that was used up before the midnight,
/// leaves them expired; the next look finds them. Break tried: `request_due.sql`
/// with `expires_at > now()` added.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_or_is_missing_is_asked_for_at_once() {
    let db = TestDb::new().await;
    let users = [tenant(&db, "UTC").await, tenant(&db, "Asia/Tokyo").await];
    let worker = worker(&db);
    clock(&db).await;
    until(&db, "all is built", "SELECT count(*) FROM tally.jobs WHERE run_at <= now()", 0).await;
    assert_eq!(number(&db, "SELECT count(*) FROM dashboard_cache").await, 4);
    assert_eq!(number(&db, "SELECT count(*) FROM user_kpi_summary").await, 2);
    sqlx::query("UPDATE dashboard_cache SET expires_at = now(), generation = 7, cache_data = '{}' WHERE user_id = $1")
        .bind(users[1])
        .execute(&db.admin)
        .await
        .unwrap();
    run(&db, "UPDATE users SET is_active = false WHERE timezone = 'UTC'").await;
    clock(&db).await;
    until(&db, "all is built", "SELECT count(*) FROM tally.jobs WHERE run_at <= now()", 0).await;
    assert_eq!(number(&db, "SELECT count(*) FROM dashboard_cache WHERE cache_data = '{}'").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM user_kpi_summary").await, 1, "who is not active has no row");
    assert!(worker.shutdown(LONG).await);
}

/// A past day that changes is analyzed again within the hour, today's is not.
/// Breaks tried: the generation of all days in request_due_trends.sql (today's
/// traffic asks); no `count(t.zone) > 0`, without which a young one is asked for too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trends_are_asked_for_when_a_past_day_changed() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    days(&db, user, 100, 10).await;
    run(&db, "INSERT INTO tally.rollup_buckets SELECT id, 2, date_trunc('day', now(), 'UTC') - interval '9 days', 1 FROM users").await;
    let worker = worker(&db);
    run(&db, "SELECT tally.request_job('analyze_trends', 'tenant', id) FROM users").await;
    until(&db, "all is built", "SELECT count(*) FROM tally.jobs", 0).await;
    let wanted = "SELECT count(*) FROM tally.jobs WHERE kind = 'analyze_trends' AND run_at <= now()";
    run(&db, "INSERT INTO tally.paused_queues VALUES ('default', now(), 'test')").await;
    run(&db, "ALTER TABLE dashboard_cache DISABLE TRIGGER dashboard_cache_touch").await;
    let look = include_str!("../../../sql/cache/request_due_trends.sql");
    for (what, days_ago, analyzed_minutes_ago, asked) in
        [("today's traffic", 0, 60, 0), ("a past day, but the analysis is young", 3, 1, 0), ("a past day", 4, 60, 1)]
    {
        sqlx::query(
            "INSERT INTO tally.rollup_buckets (user_id, tier, bucket_start, generation)
             SELECT id, 2, date_trunc('day', now(), 'UTC') - make_interval(days => $1), 1 FROM users",
        )
        .bind(days_ago)
        .execute(&db.admin)
        .await
        .unwrap();
        sqlx::query("UPDATE dashboard_cache SET updated_at = now() - make_interval(mins => $1)")
            .bind(analyzed_minutes_ago)
            .execute(&db.admin)
            .await
            .unwrap();
        sqlx::query(look).execute(&db.pool).await.unwrap();
        assert_eq!(number(&db, wanted).await, asked, "{what}");
    }
    assert!(worker.shutdown(LONG).await);
}

/// One statement makes the rows of all tenants: nothing in one tenant's data may
/// fail it. Break seen: the view as it was before 20260301000800 fails for the
/// zone that the server has lost.
#[tokio::test]
async fn one_tenants_data_cannot_fail_the_view() {
    let db = TestDb::new().await;
    let good = tenant(&db, "Asia/Kolkata").await;
    days(&db, good, 3, 10).await;
    // A zone that the server does not have any more, and one whose calendar has ended.
    for zone in ["Gone/Zone", "Ended/Zone"] {
        sqlx::query(include_str!("lost_zone.sql")).bind(zone).execute(&db.admin).await.unwrap();
        days(&db, tenant_of_lost_zone(&db, zone).await, 2, 10).await;
    }
    run(&db, "DELETE FROM tally.calendar WHERE zone = 'Ended/Zone' AND bucket_end > now()").await;
    // The largest and the smallest that a row can hold, and a tenant without anything.
    let extreme = tenant(&db, "UTC").await;
    days(&db, extreme, 60, 0).await;
    run(&db, include_str!("extreme_days.sql")).await;
    tenant(&db, "Asia/Tokyo").await;

    run(&db, "SELECT tally.refresh_kpi_summary()").await;
    assert_eq!(number(&db, "SELECT count(*) FROM user_kpi_summary").await, 4, "all but the one without a calendar");
    let lost = "SELECT total_calls_30d FROM user_kpi_summary k JOIN users u ON u.id = k.user_id WHERE u.timezone = 'Gone/Zone'";
    assert_eq!(number(&db, lost).await, 20);
    let sums =
        "SELECT failed_calls_30d FROM user_kpi_summary k JOIN users u ON u.id = k.user_id WHERE u.timezone = 'UTC'";
    assert_eq!(number(&db, sums).await, 30 * 2_147_483_647_i64);
}

async fn tenant_of_lost_zone(db: &TestDb, zone: &str) -> Uuid {
    sqlx::query_scalar(
        "INSERT INTO users (email, name, timezone) VALUES ($1 || '@example.test', 'Tenant', $1) RETURNING id",
    )
    .bind(zone)
    .fetch_one(&db.admin)
    .await
    .unwrap()
}

/// The tenant whose caches cannot be built is tried again later, and alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_57_a_tenant_whose_caches_fail_stops_no_other() {
    let db = TestDb::new().await;
    let mut users = Vec::new();
    for _ in 0..7 {
        let user = tenant(&db, "Asia/Kolkata").await;
        days(&db, user, 30, 10).await;
        users.push(user);
    }
    users.sort_unstable();
    // The first in every order; what it is refused does not matter.
    run(
        &db,
        "CREATE TABLE public.poisoned (user_id uuid);
         CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
             IF EXISTS (SELECT FROM public.poisoned p WHERE p.user_id = NEW.user_id) THEN RAISE 'poisoned'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER poison BEFORE INSERT ON dashboard_cache FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    )
    .await;
    sqlx::query("INSERT INTO public.poisoned VALUES ($1)").bind(users[0]).execute(&db.admin).await.unwrap();
    let worker = worker(&db);
    clock(&db).await;
    until(&db, "the others are built", "SELECT count(*) FROM dashboard_cache", 6 * 2).await;
    until(
        &db,
        "the poisoned have failed",
        "SELECT count(DISTINCT kind) FROM tally.job_history WHERE outcome = 'failed'",
        2,
    )
    .await;
    assert_eq!(number(&db, "SELECT count(*) FROM user_kpi_summary").await, 7);
    let failing: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT user_id FROM tally.job_history WHERE outcome = 'failed'")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(failing, [users[0]]);
    // Asked for again and again, it still waits for its retry.
    clock(&db).await;
    until(
        &db,
        "they wait",
        "SELECT count(*) FROM tally.jobs WHERE state = 'ready' AND attempt > 0 AND run_at > now()",
        2,
    )
    .await;
    assert!(worker.shutdown(LONG).await);
}

/// What `analyze_trends` writes, and that an older result does not replace it.
/// Break tried: `upsert_trends.sql` without its WHERE.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trends_are_of_complete_days_and_never_go_back() {
    let db = TestDb::new().await;
    let user = tenant(&db, "America/New_York").await;
    days(&db, user, 120, 10).await;
    run(&db, "UPDATE user_analytics SET total_calls = 500, successful_calls = 500
              WHERE grain = 'day' AND bucket_start = (SELECT bucket_start FROM user_analytics ORDER BY bucket_start DESC OFFSET 1 LIMIT 1)").await;
    let worker = worker(&db);
    let analyze = "SELECT tally.request_job('analyze_trends', 'tenant', id) FROM users";
    run(&db, analyze).await;
    until(&db, "analyzed", "SELECT count(*) FROM tally.jobs", 0).await;
    let read = "SELECT cache_data FROM dashboard_cache WHERE cache_key = 'trends'";
    let data: Value = sqlx::query_scalar(read).fetch_one(&db.admin).await.unwrap();
    let calls = &data["metrics"]["total_calls"];
    assert_eq!(data["days"].as_array().unwrap().len(), 90);
    assert_eq!(calls["values"].as_array().unwrap().len(), 90);
    assert_eq!(calls["values"][89], 500, "yesterday is the last day: today is not over");
    assert_eq!(calls["ma7"][88], 10.0);
    assert_eq!(calls["ma7"][89], 560.0 / 7.0);
    assert_eq!(calls["ma28"][89], 770.0 / 28.0);
    assert_eq!(calls["wowDay"][89], 49.0);
    assert_eq!(calls["wowWeek"][89], 7.0);
    assert_eq!(data["windowEnd"], data["days"][89]);
    assert_eq!(data["anomalies"].as_array().unwrap().len(), 2, "calls and answered calls: {data}");
    assert_eq!(data["anomalies"][0]["usual"], 10.0);

    // One of a later generation is there, and has not expired.
    run(&db, "UPDATE dashboard_cache SET generation = 9, cache_data = cache_data || '{\"newer\": true}'").await;
    run(&db, analyze).await;
    until(&db, "analyzed", "SELECT count(*) FROM tally.jobs", 0).await;
    let data: Value = sqlx::query_scalar(read).fetch_one(&db.admin).await.unwrap();
    assert_eq!(data["newer"], true);
    assert!(worker.shutdown(LONG).await);
}
