//! What figures mean, and that nothing in them is made up.

use serde_json::{Value, json};

use super::*;

/// Calls went into hours only and leads into days only, so the daily totals were 0.
///
/// Break tried: `day_user_upsert.sql` without the last three hours of each day.
#[tokio::test]
async fn defect_33_hours_make_the_day_agents_make_the_tenant_days_make_the_month() {
    let (db, user) = scene("Asia/Kathmandu").await;
    agent(&db, user, "agent-b").await;
    sqlx::query(include_str!("../insert_months.sql")).bind(user).execute(&db.admin).await.unwrap();
    roll_up(&db).await;
    let sums = "SELECT concat_ws(' ', month, count(*), count(DISTINCT sums), min((sums -> 0)::integer))
        FROM (
            SELECT whose, grain, date_trunc('month', date)::date AS month,
                   jsonb_build_array(sum(total_calls), sum(successful_calls), sum(failed_calls), sum(talk_seconds), sum(credits_micros),
                       sum(cost_micros), sum(leads_generated), sum(hot_leads), sum(total_score_sum), sum(fingerprint_hi)) AS sums
            FROM (
                SELECT 'tenant' AS whose, grain, date, total_calls, successful_calls, failed_calls, talk_seconds, credits_micros,
                       cost_micros, leads_generated, hot_leads, total_score_sum, fingerprint_hi FROM user_analytics
                UNION ALL
                SELECT 'agents', grain, date, total_calls, successful_calls, failed_calls, talk_seconds, credits_micros,
                       cost_micros, leads_generated, hot_leads, total_score_sum, fingerprint_hi FROM agent_analytics
            ) r
            GROUP BY whose, grain, date_trunc('month', date)
        ) s
        GROUP BY month ORDER BY month";
    // Hours, days and months of the tenant and of its agents: six times the same.
    let calls =
        "SELECT concat_ws(' ', date_trunc('month', started_at AT TIME ZONE 'Asia/Kathmandu')::date, 6, 1, count(*))
                 FROM calls GROUP BY date_trunc('month', started_at AT TIME ZONE 'Asia/Kathmandu') ORDER BY 1";
    let months = texts(&db, calls).await;
    assert_eq!(months.len(), 4);
    assert_eq!(texts(&db, sums).await, months);
}

/// Scores of 1 to 3 and totals of 5 to 15 were compared with thresholds for 100, which no lead ever reached.
///
/// Break tried: thresholds taken as points instead of percentages of the tenant's scale.
#[tokio::test]
async fn defect_34_thresholds_are_percentages_of_the_tenants_scale() {
    let mut found = Vec::new();
    for (scale, totals) in [(15, [15, 12, 11, 9, 8, 6, 5]), (100, [100, 80, 79, 60, 59, 40, 15])] {
        let (db, user) = scene("UTC").await;
        sqlx::query("UPDATE users SET score_scale = $1, dimension_scale = $1 / 5")
            .bind(scale)
            .execute(&db.admin)
            .await
            .unwrap();
        for total in totals {
            let id = format!("call-{total}");
            send(&db, user, [talk(&id, 30.0)]).await;
            let body = scored(&id, [None; 5], "10:20:00", json!({ "total_score": total }));
            assert!(deliver(&db, user, "analysis", &body).await);
        }
        settle(&db).await;
        found.extend(texts(&db, "SELECT concat_ws(' ', hot_leads, warm_leads, cold_leads, unqualified_leads, qualified_leads, conversion_rate)
                                 FROM user_analytics WHERE grain = 'day'").await);
    }
    assert_eq!(found, ["2 2 2 1 4 57.14"; 2]);
}

/// Earlier calls were looked up by number over all tenants, and agents' figures without their tenant.
///
/// Break tried: contacts looked up by their number alone in `fill_contacts.sql`.
#[tokio::test]
async fn defect_35_one_number_in_two_tenants_is_two_contacts_and_nothing_crosses() {
    let (db, one) = scene("UTC").await;
    let other = tenant(&db, "UTC").await;
    // The same execution, agent and number, as a broken or malicious sender may write it.
    for (user, seconds, name) in [(one, 30.0, "Asha"), (other, 90.0, "Ravi")] {
        send(&db, user, [talk("a", seconds), bolna("b", "no-answer", 50, json!({}))]).await;
        let person = json!({ "extraction": { "name": name, "company_name": format!("{name} Ltd") } });
        assert!(deliver(&db, user, "analysis", &scored("a", [Some(3); 5], "10:20:00", person)).await);
    }
    settle(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    let rows = "SELECT concat_ws(' ', k.name, k.phone_e164, c.duration_seconds, l.extracted_name, l.company_name, u.credits::float8, r.total_calls, r.credits_used::float8)
                FROM users u JOIN contacts k ON k.user_id = u.id JOIN calls c ON c.user_id = u.id AND c.contact_id = k.id
                JOIN lead_analytics l ON l.user_id = u.id AND l.call_id = c.id AND l.analysis_type = 'individual'
                JOIN agent_analytics r ON r.user_id = u.id AND r.agent_id = c.agent_id AND r.grain = 'day'
                ORDER BY 1";
    let expected = ["Asha +12025550143 30 Asha Asha Ltd 14 2 1", "Ravi +12025550143 90 Ravi Ravi Ltd 13 2 2"];
    assert_eq!(texts(&db, rows).await, expected);
}

/// A notification longer than 255 characters made the lead fail, and leads had no time of change.
///
/// Break seen: notifications cut to 255 characters by `parse_analysis`.
#[tokio::test]
async fn defect_39_a_long_notification_is_kept_whole_and_a_changed_lead_says_so() {
    let (db, user) = scene("UTC").await;
    let said = "Wants a quote for ७ lines by Friday. ".repeat(200);
    let person = json!({ "extraction": { "smartnotification": said.as_str() } });
    send(&db, user, [talk("a", 30.0)]).await;
    assert!(deliver(&db, user, "analysis", &scored("a", [Some(3); 5], "10:20:00", person)).await);
    settle(&db).await;
    let kept = "SELECT smart_notification FROM lead_analytics WHERE analysis_type = 'individual'";
    assert_eq!(texts(&db, kept).await, [said]);
    run(&db, "UPDATE lead_analytics SET is_read = true").await;
    assert_eq!(number(&db, "SELECT count(*) FROM lead_analytics WHERE updated_at > created_at AND is_read").await, 1);
}

/// Numbers of a cached answer that are neither 0 nor null, with where they stand.
fn made_up(at: String, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.as_f64() != Some(0.0) => found.push(format!("{at} = {number}")),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| made_up(format!("{at}.{n}"), item, found)),
        Value::Object(members) => members.iter().for_each(|(key, value)| made_up(format!("{at}.{key}"), value, found)),
        _ => {}
    }
}

/// Builds the caches of everyone.
async fn build(db: &TestDb) {
    let worker = job_worker(db);
    run(db, "SELECT tally.request_job('rebuild_dashboards', 'tenant', id) FROM users; SELECT tally.request_job('refresh_kpi_summary', 'view')").await;
    until(db, "the caches are built", JOBS, 0).await;
    assert!(worker.shutdown(LONG).await);
}

async fn overview(db: &TestDb) -> Value {
    sqlx::query_scalar("SELECT cache_data FROM dashboard_cache WHERE cache_key = 'overview'")
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// 0 of 0 was shown as NaN %, or as 0 %.
///
/// Break tried: `coalesce(…, 0)` around the column `answer_rate`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_42_nothing_of_nothing_is_no_rate() {
    let (db, user) = scene("UTC").await;
    send(&db, user, [event("a", "ringing", 10, json!({}))]).await;
    settle(&db).await;
    let rates = "SELECT jsonb_build_array(success_rate, answer_rate, conversion_rate, cta_conversion_rate, cost_per_lead, avg_total_score,
                     avg_intent_score)::text FROM user_analytics WHERE grain = 'day'";
    assert_eq!(
        texts(&db, rates).await,
        ["[0.00, null, null, null, null, null, null]"],
        "one call of which nothing became yet"
    );
    build(&db).await;
    let overview = overview(&db).await;
    assert_eq!(overview["conversations"], json!({ "total": 0, "answered": 0, "successRate": null }));
    assert_eq!(overview["leads"]["conversionRate"], Value::Null);
    assert_eq!(overview["kpis"][3]["value"], Value::Null, "conversations an hour of no hours");
    let view = "SELECT jsonb_build_array(success_rate_30d, avg_duration_30d, conversion_rate_30d, avg_lead_score_30d, avg_conversations_per_hour_30d)::text
                FROM user_kpi_summary";
    assert_eq!(texts(&db, view).await, ["[null, null, null, null, null]"]);
    let periods = "SELECT jsonb_build_array(connection_rate, average_call_duration, average_lead_score, conversion_rate, p50_duration_seconds)::text
                   FROM call_analytics_cache WHERE period_type = 'daily'";
    assert_eq!(texts(&db, periods).await, ["[0.00, null, null, null, null]"]);
}

/// Charts showed fractions of what there was, and constants where there was nothing.
///
/// Break tried: `greatest(…, 1)` around the leads of `upsert_overview.sql`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_51_a_tenant_without_calls_has_zeros_and_no_constants() {
    let (db, _) = scene("UTC").await;
    run(&db, "UPDATE users SET credits_micros = 0; DELETE FROM agents").await;
    build(&db).await;
    let mut found = Vec::new();
    made_up(String::new(), &overview(&db).await, &mut found);
    let view: Value =
        sqlx::query_scalar("SELECT to_jsonb(k) FROM user_kpi_summary k").fetch_one(&db.admin).await.unwrap();
    made_up("view".to_owned(), &view, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(number(&db, "SELECT count(*) FROM user_analytics").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM call_analytics_cache").await, 0);
}

/// Averages and sums were taken over distinct values, so equal ones counted once.
///
/// Break tried: `DISTINCT` in the minutes' sum of `tally.count_calls`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_52_equal_durations_and_equal_counts_are_all_counted() {
    let (db, user) = scene("UTC").await;
    let of = |id: &str, status: &str, number: &str, seconds: u32| {
        let more = json!({ "conversation_duration": seconds, "telephony_data": { "to_number": number }, "context_details": { "recipient_phone_number": number } });
        event(id, status, 50, more)
    };
    send(
        &db,
        user,
        [
            of("a", "completed", "+12025550101", 61),
            of("b", "completed", "+12025550101", 61),
            of("c", "completed", "+12025550102", 181),
        ],
    )
    .await;
    send(&db, user, [of("d", "busy", "+12025550103", 0), of("e", "no-answer", "+12025550104", 0)]).await;
    settle(&db).await;
    build(&db).await;
    // 2 + 2 + 4 minutes of five calls, of which three were answered.
    let day = "SELECT concat_ws(' ', total_duration_minutes, avg_duration_minutes, talk_seconds, missed_calls, distinct_contacts) FROM user_analytics WHERE grain = 'day'";
    assert_eq!(texts(&db, day).await, ["8 1.60 303 2 4"]);
    let period = "SELECT concat_ws(' ', total_call_duration, average_call_duration, p50_duration_seconds, missed_calls) FROM call_analytics_cache WHERE period_type = 'daily'";
    assert_eq!(texts(&db, period).await, ["8 2.67 61 2"]);
}
