//! Days are the tenant's own.

use super::*;

/// A zone, an instant, and its local date.
const LOCAL_DATES: [(&str, &str, &str); 17] = [
    // The two examples that the old conversion got wrong by a day.
    ("Asia/Kolkata", "2025-09-26 20:00Z", "2025-09-27"),
    ("Asia/Kolkata", "2025-09-26 03:00Z", "2025-09-26"),
    ("Asia/Kolkata", "2025-09-26 18:29:59Z", "2025-09-26"),
    ("America/New_York", "2025-11-02 03:59Z", "2025-11-01"),
    // A day of 25 hours: half past one comes twice.
    ("America/New_York", "2025-11-02 05:30Z", "2025-11-02"),
    ("America/New_York", "2025-11-02 06:30Z", "2025-11-02"),
    ("America/New_York", "2025-11-03 04:59Z", "2025-11-02"),
    ("America/New_York", "2025-11-03 05:00Z", "2025-11-03"),
    ("Pacific/Apia", "2025-09-26 10:59Z", "2025-09-26"),
    ("Pacific/Apia", "2025-09-26 11:00Z", "2025-09-27"),
    ("Asia/Kathmandu", "2025-09-26 18:14:59Z", "2025-09-26"),
    ("Asia/Kathmandu", "2025-09-26 18:15Z", "2025-09-27"),
    // A day of 23½ hours.
    ("Australia/Lord_Howe", "2025-10-04 13:29:59Z", "2025-10-04"),
    ("Australia/Lord_Howe", "2025-10-04 13:30Z", "2025-10-05"),
    ("Australia/Lord_Howe", "2025-10-05 12:59:59Z", "2025-10-05"),
    ("Australia/Lord_Howe", "2025-10-05 13:00Z", "2025-10-06"),
    ("UTC", "2025-09-26 20:00Z", "2025-09-26"),
];

async fn call_with_a_lead(db: &TestDb, user: Uuid, at: &str) {
    sqlx::query(
        "WITH c AS (
             INSERT INTO calls (user_id, agent_id, started_at, outcome, status, duration_seconds, duration_minutes)
             SELECT $1, id, $2::timestamptz, 'answered', 'completed', 60, 1 FROM agents WHERE user_id = $1 RETURNING user_id, id)
         INSERT INTO lead_analytics (user_id, call_id, total_score, quality) SELECT user_id, id, 15, 'hot' FROM c",
    )
    .bind(user)
    .bind(at)
    .execute(&db.pool)
    .await
    .unwrap();
}

const DAYS: &str =
    "SELECT concat_ws(' ', zone, date, total_calls, leads_generated) FROM user_analytics WHERE grain = 'day'
                    ORDER BY zone, date";

/// Days were shifted the wrong way by twice the offset, depended on the session's zone, and a call and its lead could
/// fall on different ones.
///
/// Breaks tried: Kathmandu with the offset of Kolkata; `tally.count_calls` counts no leads.
#[tokio::test]
async fn defect_31_a_call_and_its_lead_fall_on_the_local_day_of_the_tenant() {
    let db = TestDb::new().await;
    let mut users: Vec<(&str, Uuid)> = Vec::new();
    for (zone, at, _) in LOCAL_DATES {
        let user = match users.iter().find(|(known, _)| *known == zone) {
            Some((_, user)) => *user,
            None => tenant(&db, zone).await,
        };
        users.push((zone, user));
        call_with_a_lead(&db, user, at).await;
    }
    roll_up(&db).await;
    check_exact(&db).await;
    let mut expected: Vec<(&str, &str, usize)> = Vec::new();
    for (zone, _, date) in LOCAL_DATES {
        match expected.iter_mut().find(|(z, d, _)| (*z, *d) == (zone, date)) {
            Some((.., count)) => *count += 1,
            None => expected.push((zone, date, 1)),
        }
    }
    expected.sort_unstable();
    let expected: Vec<String> = expected.iter().map(|(zone, date, n)| format!("{zone} {date} {n} {n}")).collect();
    assert_eq!(texts(&db, DAYS).await, expected);
    assert_eq!(
        texts(
            &db,
            "SELECT (bucket_end - bucket_start)::text FROM user_analytics WHERE grain = 'day' AND date = '2025-10-05'"
        )
        .await,
        ["23:30:00"]
    );
}

/// The same when the tenant moves: all days are those of the new zone.
///
/// Break tried: `tally.change_zone` without its marks.
#[tokio::test]
async fn defect_31_a_tenant_that_moves_has_the_days_of_its_new_zone() {
    let (db, user) = scene("Asia/Kolkata").await;
    call_with_a_lead(&db, user, "2025-09-26 20:00Z").await;
    call_with_a_lead(&db, user, "2025-09-26 03:00Z").await;
    roll_up(&db).await;
    assert_eq!(texts(&db, DAYS).await, ["Asia/Kolkata 2025-09-26 1 1", "Asia/Kolkata 2025-09-27 1 1"]);
    run(&db, "SELECT tally.ensure_zone('America/New_York')").await;
    run(&db, "SELECT tally.change_zone(id, 'America/New_York') FROM users").await;
    roll_up(&db).await;
    assert_eq!(texts(&db, DAYS).await, ["America/New_York 2025-09-25 1 1", "America/New_York 2025-09-26 1 1"]);
    check_exact(&db).await;
}
