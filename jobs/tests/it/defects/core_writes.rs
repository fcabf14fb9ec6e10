//! Nothing that is derived, and nothing that is broken there, stops calls and tenants from being written.

use tallyline_jobs::{process_call_events, roll_up as roll_up_job};

use super::*;

/// SQLSTATE of a unit's database error.
fn sqlstate(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|e| e.code()).unwrap_or_else(|| panic!("no refusal: {error}")).into_owned()
}

/// A migration dropped the index that the calls' trigger relied on, and no call could be written any more.
///
/// Break tried: a trigger on calls that upserts into `user_analytics`; the calls are refused.
#[tokio::test]
async fn defect_04_without_its_key_a_roll_up_fails_and_calls_are_written() {
    let (db, user) = scene("UTC").await;
    send(&db, user, [talk("a", 30.0)]).await;
    settle(&db).await;
    run(&db, "ALTER TABLE user_analytics DROP CONSTRAINT user_analytics_pkey").await;
    send(&db, user, [talk("b", 30.0)]).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 2);
    for _ in 0..3 {
        let error = roll_up_job::run_unit(&db.pool, &roll_up_options()).await.unwrap_err();
        assert_eq!(sqlstate(&error), "42P10", "it says why");
    }
    assert!(number(&db, "SELECT count(*) FROM tally.rollup_marks").await > 0, "and what is to be done stays");
    assert_eq!(number(&db, "SELECT count(*) FROM user_analytics WHERE total_calls = 2").await, 0, "no half of it");
    run(&db, "ALTER TABLE user_analytics ADD PRIMARY KEY (user_id, grain, bucket_start)").await;
    settle(&db).await;
    assert_eq!(day(&db).await.calls, 2);
}

/// The same of the index that makes a lead of a call unique: events wait whole, none is blamed or lost.
///
/// Break tried: SQLSTATE class 42 taken for the data's fault in `process_call_events`; the lead goes to quarantine.
#[tokio::test]
async fn defect_04_without_the_key_of_leads_events_wait_and_none_is_blamed() {
    let (db, user) = scene("UTC").await;
    run(&db, "DROP INDEX lead_analytics_individual_key").await;
    send(&db, user, [talk("a", 30.0)]).await;
    assert!(deliver(&db, user, "analysis", &scored("a", [Some(3); 5], "10:20:00", json!({}))).await);
    for _ in 0..3 {
        let error = process_call_events::run_unit(&db.pool, &process_options()).await.unwrap_err();
        assert!(error.to_string().contains("ON CONFLICT"), "{error}");
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending WHERE state = 'ready'").await, 2);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    run(&db, "CREATE UNIQUE INDEX lead_analytics_individual_key ON lead_analytics (user_id, call_id) WHERE analysis_type = 'individual'").await;
    settle(&db).await;
    assert_eq!((day(&db).await.calls, day(&db).await.leads), (1, 1));
}

/// With `damage` done to something derived, calls, charges, tenants and roll-ups go on; `job` fails and says why;
/// after `repair` it catches up.
async fn goes_on_without(damage: &'static str, job: &'static str, missing: &str, repair: &'static str) {
    let (db, user) = scene("UTC").await;
    send(&db, user, [talk("a", 30.0)]).await;
    settle(&db).await;
    run(&db, damage).await;
    send(&db, user, [talk("b", 30.0)]).await;
    settle(&db).await;
    run(&db, "UPDATE users SET name = 'Renamed', credits_micros = credits_micros + 1, is_active = true").await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 2);

    let worker = job_worker(&db);
    let failed = "SELECT count(DISTINCT kind) FROM tally.job_history WHERE outcome IN ('failed', 'dead')";
    until(&db, "the job has failed", failed, 1).await;
    let why =
        texts(&db, "SELECT DISTINCT kind || ': ' || error FROM tally.job_history WHERE outcome <> 'succeeded'").await;
    assert!(why.iter().all(|why| why.starts_with(job) && why.contains(missing)), "{why:?}");
    until(&db, "the other jobs are done", "SELECT count(DISTINCT kind) FROM tally.jobs", 1).await;
    run(&db, repair).await;
    run(&db, "UPDATE tally.jobs SET run_at = now()").await;
    until(&db, "all is built", JOBS, 0).await;
    let built = "SELECT total_calls::bigint FROM call_analytics_cache WHERE period_type = 'monthly'";
    assert_eq!(number(&db, built).await, 2);
    assert_eq!(
        number(&db, "SELECT total_calls_lifetime::bigint FROM user_kpi_summary WHERE name = 'Renamed'").await,
        2
    );
    assert_eq!(number(&db, "SELECT count(*) FROM dashboard_cache WHERE cache_key = 'overview'").await, 1);
    assert!(worker.shutdown(LONG).await);
}

/// A column renamed in a trigger's function only made every call fail, for a cache that nobody read.
///
/// Break tried: a trigger on calls that writes the cache, as the platform had it; no call is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_16_a_broken_cache_fails_in_its_job_and_calls_are_written() {
    goes_on_without(
        "ALTER TABLE call_analytics_cache RENAME missed_calls TO not_connected",
        "rebuild_dashboards",
        "missed_calls",
        "ALTER TABLE call_analytics_cache RENAME not_connected TO missed_calls",
    )
    .await;
}

/// An invalidation trigger that read a column which users do not have made every change of a tenant fail.
///
/// Break tried: a trigger on users that deletes from the cache; no tenant can be changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_17_a_missing_view_or_cache_fails_in_its_job_and_tenants_are_changed() {
    goes_on_without(
        "ALTER MATERIALIZED VIEW user_kpi_summary RENAME TO lost_summary",
        "refresh_kpi_summary",
        "user_kpi_summary",
        "ALTER MATERIALIZED VIEW lost_summary RENAME TO user_kpi_summary",
    )
    .await;
    goes_on_without(
        "ALTER TABLE dashboard_cache RENAME TO lost_cache",
        "rebuild_dashboards",
        "dashboard_cache",
        "ALTER TABLE lost_cache RENAME TO dashboard_cache",
    )
    .await;
}

/// The trigger chain of each call updated its tenant's row, so calls waited for each other and for billing.
///
/// Breaks tried: `lock_lanes.sql` with `FOR UPDATE OF l, u` (nothing is applied while the tenant is held); a trigger on
/// `user_analytics` that updates the tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_19_fifty_calls_at_once_wait_for_nobody_who_holds_their_tenant() {
    let (db, user) = scene("UTC").await;
    let worker = worker(&db);
    let mut holder = db.admin.begin().await.unwrap();
    sqlx::query("UPDATE users SET name = 'Held'").execute(&mut *holder).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *holder).await.unwrap();
    for n in 0..50 {
        // Without a charge: that alone needs the tenant's balance.
        send(&db, user, [event(&format!("call-{n}"), "busy", 50, json!({}))]).await;
    }
    let cached = "SELECT coalesce(sum(total_calls), 0)::bigint FROM call_analytics_cache WHERE period_type = 'daily'";
    until(&db, "calls, figures and caches are there", cached, 50).await;
    let behind_it = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))");
    let behind_it: i64 = behind_it.bind(pid).fetch_one(&db.admin).await.unwrap();
    assert_eq!(behind_it, 0);
    holder.rollback().await.unwrap();

    // And with charges, among changes of the tenant's row: none waits in a circle.
    for n in 0..50 {
        send(&db, user, [event(&format!("call-{n}"), "completed", 55, json!({ "conversation_duration": 10 }))]).await;
        run(&db, "UPDATE users SET credits_micros = credits_micros + 1000000").await;
    }
    until(&db, "all are applied", "SELECT count(*) FROM tally.inbox_pending", 0).await;
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 15_000_000);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.job_history WHERE outcome <> 'succeeded'").await, 0);
    assert_eq!(number(&db, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await, 0);
    assert!(worker.shutdown(LONG).await);
    settle(&db).await;
}

/// Notifications that nobody listened to were lost, and with them all that was to follow from them.
///
/// Breaks tried: `roll_up` asks for no followers; requests for the view get lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_20_what_happens_while_no_worker_runs_is_made_up_for_by_the_next() {
    let (db, user) = scene("Asia/Kolkata").await;
    let cached = "SELECT coalesce(sum(total_calls), 0)::bigint FROM call_analytics_cache WHERE period_type = 'monthly'";
    for round in 1..=2 {
        send(&db, user, [talk(&format!("a-{round}"), 30.0), talk(&format!("b-{round}"), 0.0)]).await;
        // Nobody is there to hear of it.
        assert_eq!(number(&db, cached).await, 2 * (round - 1));
        let worker = worker(&db);
        until(&db, "the caches hold all calls", cached, 2 * round).await;
        until(&db, "nothing is left to do", JOBS, 0).await;
        assert_eq!(number(&db, "SELECT total_calls_lifetime::bigint FROM user_kpi_summary").await, 2 * round);
        assert!(worker.shutdown(LONG).await);
        check_exact(&db).await;
    }
}

/// A sub-step failed silently, and of all that an event was to do only the call's row was written.
///
/// Break tried: SQLSTATE class 42 taken for the event's fault; it goes to quarantine.
#[tokio::test]
async fn defect_26_an_event_is_applied_whole_or_waits() {
    let (db, user) = scene("UTC").await;
    send(&db, user, answered_call("a")).await;
    run(&db, "REVOKE INSERT ON transcripts FROM tallyline_worker").await;
    for _ in 0..3 {
        assert!(process_call_events::run_unit(&db.pool, &process_options()).await.is_err());
    }
    let written = "SELECT (SELECT count(*) FROM calls) + (SELECT count(*) FROM contacts) + (SELECT count(*) FROM credit_transactions WHERE call_id IS NOT NULL)
                        + (SELECT count(*) FROM tally.call_events) + (SELECT count(*) FROM tally.quarantine)";
    assert_eq!(number(&db, written).await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending").await, 5);
    run(&db, "GRANT INSERT ON transcripts TO tallyline_worker").await;
    settle(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM transcripts").await, 1);
    assert_eq!(day(&db).await.micro_credits, 1_000_000);
}
