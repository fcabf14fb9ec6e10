//! The calendar: every instant in one hour, day and month of its zone, whatever the clocks do there.

use chrono::NaiveDate;
use sqlx::postgres::PgPool;
use tallyline_testkit::TestDb;

use super::fixture;

/// A zone and the days of 2025 and 2026 that have not 24 hours: minutes and how many.
const ZONES: [(&str, &[(i32, i64)]); 8] = [
    ("Africa/Cairo", &[(23 * 60, 2), (25 * 60, 2)]),
    ("America/Havana", &[(23 * 60, 2), (25 * 60, 2)]),
    ("America/New_York", &[(23 * 60, 2), (25 * 60, 2)]),
    ("America/Santiago", &[(23 * 60, 2), (25 * 60, 2)]),
    ("America/St_Johns", &[(23 * 60, 2), (25 * 60, 2)]),
    ("Asia/Kathmandu", &[]),
    ("Australia/Lord_Howe", &[(23 * 60 + 30, 2), (24 * 60 + 30, 2)]),
    ("Pacific/Apia", &[]),
];

/// A zone, a day on which its clocks change, and the first hours of that day: label and minutes.
const ODD_HOURS: [(&str, (i32, u32, u32), &str); 7] = [
    // 01:00 comes twice.
    ("America/New_York", (2025, 11, 2), "0:60 1:60 1:60 2:60 3:60"),
    ("America/New_York", (2025, 3, 9), "0:60 1:60 3:60 4:60"),
    // Half an hour: 01:30 comes twice, and 02:00 to 02:30 not at all.
    ("Australia/Lord_Howe", (2025, 4, 6), "0:60 1:60 1:30 2:60"),
    ("Australia/Lord_Howe", (2025, 10, 5), "0:60 1:60 2:30 3:60"),
    // Midnight comes twice.
    ("America/Havana", (2025, 11, 2), "0:60 0:60 1:60"),
    // There is no midnight.
    ("Africa/Cairo", (2025, 4, 25), "1:60 2:60"),
    ("America/Santiago", (2025, 9, 7), "1:60 2:60"),
];

async fn ensure_zone(pool: &PgPool, zone: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(pool).await.map(drop)
}

async fn with_zones() -> TestDb {
    let db = TestDb::new().await;
    for (zone, _) in ZONES {
        ensure_zone(&db.pool, zone).await.unwrap();
    }
    db
}

/// The first column of what a statement returns for a zone.
async fn of_zone(pool: &PgPool, sql: &'static str, zone: &str) -> Vec<String> {
    sqlx::query_scalar(sql).bind(zone).fetch_all(pool).await.unwrap()
}

/// Breaks seen: transitions looked for in steps of an hour (Lord Howe); days taken to end 24 hours after they begin.
#[tokio::test]
async fn every_quarter_has_one_hour_one_day_and_one_month() {
    let db = with_zones().await;
    for (zone, _) in ZONES {
        let wrong = of_zone(&db.pool, include_str!("quarters_without_bucket.sql"), zone).await;
        assert!(wrong.is_empty(), "{zone}: {} quarters, the first: {}", wrong.len(), wrong[0]);
    }
}

/// Breaks seen: hours not cut where the offset changes; days taken to end 24 hours after they begin.
#[tokio::test]
async fn buckets_follow_each_other_without_gap_or_overlap() {
    let db = with_zones().await;
    for (zone, _) in ZONES {
        assert_eq!(of_zone(&db.pool, include_str!("bucket_gaps.sql"), zone).await, Vec::<String>::new(), "{zone}");
    }
}

/// Breaks seen: days taken to end 24 hours after they begin; a day begun at its second midnight (Havana).
#[tokio::test]
async fn days_are_as_long_as_they_are() {
    let db = with_zones().await;
    let sql = "SELECT (extract(epoch FROM bucket_end - bucket_start) / 60)::integer, count(*) FROM tally.calendar
               WHERE zone = $1 AND grain = 'day' AND date BETWEEN '2025-01-01' AND '2026-12-31' GROUP BY 1 ORDER BY 1";
    for (zone, odd) in ZONES {
        let mut days: Vec<(i32, i64)> = sqlx::query_as(sql).bind(zone).fetch_all(&db.pool).await.unwrap();
        assert_eq!(days.iter().map(|(_, count)| count).sum::<i64>(), 730, "{zone}");
        days.retain(|(minutes, _)| *minutes != 24 * 60);
        assert_eq!(days, odd, "{zone}");
    }
}

/// Break seen: hours not cut where the offset changes.
#[tokio::test]
async fn hours_repeat_and_are_cut_where_clocks_change() {
    let db = with_zones().await;
    for (zone, (year, month, day), expected) in ODD_HOURS {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        let query = sqlx::query_scalar(include_str!("hours_of_day.sql")).bind(zone).bind(date);
        let hours: Vec<String> = query.fetch_all(&db.pool).await.unwrap();
        let hours = hours.join(" ");
        assert!(hours.starts_with(expected), "{zone} {date}: {hours}");
        assert!(hours.ends_with("22:60 23:60"), "{zone} {date}: {hours}");
    }
}

/// Breaks seen: the zone looked up among the abbreviations too; its pattern left out (EST5EDT).
#[tokio::test]
async fn what_is_no_zone_is_refused() {
    let db = TestDb::new().await;
    for name in ["IST", "EST", "EST5EDT", "Mars/Olympus", "asia/kolkata", "+05:30", "", "Asia/Kolkata; x"] {
        let error = ensure_zone(&db.pool, name).await.unwrap_err();
        assert_eq!(fixture::refusal(&error), "22023", "{name}");
    }
    assert_eq!(fixture::texts(&db.pool, "SELECT zone FROM tally.zones").await, ["UTC"]);
    let sql = "INSERT INTO public.users (email, name, timezone) VALUES ('a@example.com', 'A', 'Asia/Kolkata')";
    let error = sqlx::query(sql).execute(&db.pool).await.unwrap_err();
    assert_eq!(fixture::refusal(&error), "23503 users_timezone_fkey");
    ensure_zone(&db.pool, "Asia/Kolkata").await.unwrap();
    sqlx::query(sql).execute(&db.pool).await.unwrap();
}

/// Break seen: `IF NOT FOUND THEN RETURN` taken out; the second run fails on a key.
#[tokio::test]
async fn a_zone_may_be_asked_for_again_and_by_two_at_once() {
    let db = TestDb::new().await;
    let zone = "America/New_York";
    let (left, right) = tokio::join!(ensure_zone(&db.pool, zone), ensure_zone(&db.pool, zone));
    left.unwrap();
    right.unwrap();
    let count = "SELECT count(*)::text FROM tally.calendar WHERE zone = $1";
    let before = of_zone(&db.pool, count, zone).await;
    ensure_zone(&db.pool, zone).await.unwrap();
    assert_eq!(of_zone(&db.pool, count, zone).await, before);
    assert_ne!(before, ["0"]);
}
