//! Credits: what is charged, what the ledger says and what the figures say are one number.

use super::*;

/// Credits were text here, cut to whole numbers there, and a call's own column was not what had been deducted.
///
/// Breaks tried: charges rounded to whole credits in the ledger; `tally.count_calls` sums whole credits.
#[tokio::test]
async fn defect_30_fractions_of_credits_are_the_same_sum_everywhere() {
    let (db, user) = scene("UTC").await;
    // A third of a credit a pulse: no decimal fraction holds it.
    run(&db, "UPDATE users SET billing_pulse_seconds = 20, credits_per_minute_micros = 1000000").await;
    send(&db, user, [talk("a", 135.0), talk("b", 200.9), talk("c", 0.4), talk("d", 1.0), talk("e", 0.0)]).await;
    process(&db).await;
    // Into the caches' windows.
    run(&db, "UPDATE calls SET started_at = now() - interval '1 minute'").await;
    roll_up(&db).await;
    settle(&db).await;
    let worker = job_worker(&db);
    until(&db, "the caches are built", JOBS, 0).await;
    let sums = "SELECT concat_ws(' ',
            (SELECT -sum(amount_micros) FROM credit_transactions WHERE call_id IS NOT NULL), (SELECT 15000000 - credits_micros FROM users),
            (SELECT sum(credits_micros) FROM calls), (SELECT sum(credits_used) * 1000000 FROM calls)::bigint,
            (SELECT sum(credits_micros) FROM user_analytics WHERE grain = 'day'), (SELECT sum(credits_micros) FROM agent_analytics WHERE grain = 'month'),
            (SELECT (cache_data #>> '{credits,used}')::numeric * 1000000 FROM dashboard_cache WHERE cache_key = 'overview')::bigint,
            (SELECT total_credits_used_30d * 1000000 FROM user_kpi_summary)::bigint,
            (SELECT sum(credits_micros) FROM call_analytics_cache WHERE period_type = 'monthly'))";
    // 7, 10, 0, 1 and 0 pulses, each call rounded once.
    let expected = 2_333_333 + 3_333_333 + 333_333;
    assert_eq!(texts(&db, sums).await, [vec![expected.to_string(); 9].join(" ")]);
    assert_eq!(
        number(&db, "SELECT count(*) FROM credit_transactions WHERE call_id IS NOT NULL").await,
        3,
        "nothing for 0 seconds"
    );
    assert!(worker.shutdown(LONG).await);
}
