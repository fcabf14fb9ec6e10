//! What the page says of trends, talk time and contacts.

use serde_json::{Value, json};

use super::*;

/// Breaks tried: the contacts of the days added up (5); the percentile of each
/// day averaged; `upto > 0.5 * total`.
#[tokio::test]
async fn talk_time_and_contacts_are_of_the_period_and_not_of_its_days() {
    let db = TestDb::new().await;
    let tenant = tenant(&db, "Spread", "Asia/Kolkata").await;
    let none = page(&db, tenant).await;
    assert!(none.contains("<h2>Contacts</h2><p class=\"value\">–</p>"), "absent is not zero: {none}");
    assert_eq!(none.matches("<span class=\"value\">–</span>").count(), 3, "no percentile of nothing");

    let agent = agent(&db, tenant, "A").await;
    for days_ago in [0, 29, 30] {
        insert_day(&db, tenant, agent, &DayRow { days_ago, answered: 100, cost_micros: 0 }).await;
    }
    sqlx::query(include_str!("spread_rows.sql")).bind(tenant).execute(&db.admin).await.unwrap();
    let page = page(&db, tenant).await;
    // 1 to 4, of which 3 was there on both days; four before.
    assert!(page.contains("<h2>Contacts</h2><p class=\"value\">4</p>"), "{page}");
    // Of 100 calls: 90 of 10 s, 9 of 60 s, 1 of an hour. The 50th, the 95th, the 99th.
    let values: Vec<&str> =
        page.split("<span class=\"value\">").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(values, ["10 s", "1 min 0 s", "1 min 0 s"]);
    assert_eq!(page.matches(" from 7 s<").count(), 3, "all five calls of the period before");

    let of_server: Vec<i32> = sqlx::query_scalar(
        "SELECT tally.percentile(ARRAY[10, 60, 60, 3600], ARRAY[90, 5, 4, 1], f) FROM unnest(ARRAY[0.5, 0.95, 0.99]) f",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(of_server, [10, 60, 60], "one rule for percentiles");
}

/// The trends of a tenant in UTC up to yesterday: a mean of 250.5 each day, and one unusual day.
async fn cached(db: &TestDb, tenant: Uuid, agent: Uuid) -> Value {
    let days: Vec<chrono::NaiveDate> = sqlx::query_scalar(
        "SELECT date FROM tally.calendar WHERE zone = 'UTC' AND grain = 'day' AND bucket_end <= now() ORDER BY date DESC LIMIT 90",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    let days: Vec<_> = days.into_iter().rev().collect();
    let unusual = json!({ "metric": "total_calls", "date": days[87], "value": 340, "usual": 120.5, "weeks": 8 });
    let of_agent = json!({ "metric": "talk_seconds", "date": days[88], "value": 0, "usual": 7200, "weeks": 5 });
    let data = json!({
        "userTimezone": "UTC", "calculatedAt": "2026-01-01T00:00:00Z", "windowStart": days[0], "windowEnd": days[89],
        "historyStart": days[0], "days": days, "metrics": { "total_calls": { "ma7": vec![250.5; 90] } },
        "anomalies": [unusual], "agentAnomalies": { agent.to_string(): [of_agent] },
    });
    sqlx::query(
        "INSERT INTO dashboard_cache (user_id, cache_key, cache_data, generation, expires_at)
         VALUES ($1, 'trends', $2 || jsonb_build_object('calculatedAt', now() - interval '2 hours'), 1, now() + interval '1 hour')",
    )
    .bind(tenant)
    .bind(&data)
    .execute(&db.admin)
    .await
    .unwrap();
    data
}

/// Breaks tried: the note without its case for none; `is_current` not looked at;
/// the zone not compared.
#[tokio::test]
async fn trends_say_of_when_they_are_and_that_they_are_missing() {
    let db = TestDb::new().await;
    let tenant = tenant(&db, "Trends", "UTC").await;
    let agent = agent(&db, tenant, "Front <desk>").await;
    insert_day(&db, tenant, agent, &DayRow { days_ago: 2, answered: 140, cost_micros: 0 }).await;
    let before = page(&db, tenant).await;
    assert!(before.contains("Trends: not computed yet."));
    assert!(!before.contains("class=\"mean\""));

    cached(&db, tenant, agent).await;
    let shown = page(&db, tenant).await;
    for text in [
        "computed 2 h 0 min ago.",
        "class=\"mean\"",
        "Mean of seven days: 250.5",
        ">2 unusual figures<",
        "340 calls, usually 120.5 (median of 8 weeks)",
        "Front &lt;desk&gt;, 0 s of talk, usually 2 h 0 min (median of 5 weeks)",
        "class=\"unusual\"",
    ] {
        assert!(shown.contains(text), "no {text:?} in {shown}");
    }
    assert!(!shown.contains("Trends: not computed yet") && !shown.contains("Out of date"));

    sqlx::query("UPDATE dashboard_cache SET expires_at = now()").execute(&db.admin).await.unwrap();
    assert!(page(&db, tenant).await.contains("Out of date"), "an expired cache is not shown as fresh");

    let other_zone = "UPDATE dashboard_cache SET cache_data = cache_data || '{\"userTimezone\": \"Asia/Tokyo\"}'";
    sqlx::query(other_zone).execute(&db.admin).await.unwrap();
    assert!(page(&db, tenant).await.contains("Trends: not computed yet."), "of other days than the page's");
    sqlx::query("UPDATE dashboard_cache SET cache_data = '{}'").execute(&db.admin).await.unwrap();
    assert!(page(&db, tenant).await.contains("Trends: not computed yet."), "of another version");
}
