//! Calendar and scan against a database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use sqlx::{Connection, Row};
use tallyline_history::{Calendar, Grain, scan, scan_with_identities};
use tallyline_testkit::TestDb;
use uuid::Uuid;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Zones with the middle of a day on which something odd happens there.
const ODD_DAYS: [(&str, &str); 9] = [
    ("America/New_York", "2025-03-09T12:00:00Z"),
    ("America/New_York", "2025-11-02T12:00:00Z"),
    ("Australia/Lord_Howe", "2025-04-05T15:00:00Z"),
    ("Australia/Lord_Howe", "2025-10-04T15:30:00Z"),
    ("Asia/Kathmandu", "2025-06-15T12:00:00Z"),
    ("Africa/Cairo", "2025-04-24T22:00:00Z"),
    ("America/Santiago", "2025-09-07T04:00:00Z"),
    ("America/St_Johns", "2025-11-02T04:30:00Z"),
    ("UTC", "2024-02-29T12:00:00Z"),
];

#[tokio::test]
async fn buckets_are_those_of_the_database() {
    // Fails when hours are not cut at a change of the offset, and when a bucket
    // is searched with `<` instead of `<=` at its start.
    let db = TestDb::new().await;
    let mut connection = db.admin.acquire().await.unwrap();
    for (zone, noon) in ODD_DAYS {
        sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&mut *connection).await.unwrap();
        let calendar = Calendar::load(&mut connection, zone).await.unwrap();
        for step in -240..240 {
            let instant = time(noon) + Duration::minutes(step * 15) + Duration::microseconds(step % 2);
            for grain in [Grain::Hour, Grain::Day, Grain::Month] {
                let row = sqlx::query("SELECT * FROM tally.local_bucket($1, $2, $3)")
                    .bind(zone)
                    .bind(i32::from(grain.tier()))
                    .bind(instant)
                    .fetch_one(&mut *connection)
                    .await
                    .unwrap();
                let found = calendar.bucket(grain, instant.timestamp_micros()).unwrap();
                let micros = |name| row.get::<DateTime<Utc>, _>(name).timestamp_micros();
                let expected = (micros("bucket_start"), micros("bucket_end"), row.get("date"), row.get("hour"));
                let found = (found.start_micros, found.end_micros, found.date, found.hour);
                assert_eq!(found, expected, "{zone} {instant} {grain:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_zone_without_calendar_is_an_error() {
    let db = TestDb::new().await;
    let mut connection = db.pool.acquire().await.unwrap();
    assert!(Calendar::load(&mut connection, "Asia/Tokyo").await.is_err());
}

async fn tenant_with_calls(db: &TestDb, calls: i32) -> Uuid {
    let user_id: Uuid = sqlx::query_scalar(
        "INSERT INTO public.users (email, name) VALUES (gen_random_uuid() || '@example.com', 'T') RETURNING id",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO public.agents (user_id, name, bolna_agent_id) SELECT $1, 'A' || n, n FROM generate_series(1, 2) n",
    )
    .bind(user_id)
    .execute(&db.admin)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO public.calls (user_id, agent_id, started_at, duration_seconds, outcome, status)
         SELECT $1, (SELECT id FROM public.agents g WHERE g.user_id = $1 AND g.name = 'A' || (1 + n % 2)),
                timestamptz '2025-01-01 00:00Z' + n * interval '1 second', n, 'answered', 'completed'
         FROM generate_series(0, $2 - 1) n",
    )
    .bind(user_id)
    .bind(calls)
    .execute(&db.admin)
    .await
    .unwrap();
    user_id
}

#[tokio::test]
async fn the_scan_reads_the_tenants_calls_of_the_range_and_no_other() {
    // Fails with `<=` at the end of the range, or without the tenant's condition.
    let db = TestDb::new().await;
    let user_id = tenant_with_calls(&db, 3000).await;
    tenant_with_calls(&db, 50).await;
    let mut tx = db.pool.begin().await.unwrap();
    let calls = scan(&mut tx, user_id, time("2025-01-01T00:00:10Z"), time("2025-01-01T00:00:20Z")).await.unwrap();
    let mut seconds: Vec<i32> =
        calls.frame.column("duration_seconds").unwrap().i32().unwrap().iter().flatten().collect();
    seconds.sort_unstable();
    assert_eq!(seconds, (10..20).collect::<Vec<i32>>());
    assert_eq!((calls.agents.len(), calls.contacts.len()), (2, 0));

    let all = scan(&mut tx, user_id, time("2024-01-01T00:00:00Z"), time("2026-01-01T00:00:00Z")).await.unwrap();
    assert_eq!(all.len(), 3000);
    let none = scan(&mut tx, user_id, time("2026-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z")).await.unwrap();
    assert!(none.is_empty());
}

/// Leads for the calls of [`tenant_with_calls`], and calls of strange times: what
/// a call's fingerprint is made of, in every shape that the tables allow.
async fn make_odd(db: &TestDb, user_id: Uuid) {
    sqlx::query(
        "INSERT INTO public.lead_analytics (user_id, call_id, quality, total_score, company_name, dimension_scale, intent_score,
                                            budget_score, fit_score, cta_pricing_clicked, cta_escalated_to_human)
         SELECT user_id, id, CASE WHEN s % 3 > 0 THEN (ARRAY['hot', 'warm', 'cold', 'unqualified'])[1 + s % 4] END,
                CASE WHEN s % 3 > 0 THEN s % 101 END,
                (ARRAY[NULL, '', 'Acme; Sons 3:x', 'Ñandú', '株式会社', repeat('😀', 255), 'a' || chr(10), '-', 'e' || chr(769)])[1 + s % 9],
                (ARRAY[3, -1, 0, 32767])[1 + s % 4], CASE WHEN s % 5 > 0 THEN s % 101 END, s % 2, NULL, s % 2 = 0, s % 7 = 0
         FROM (SELECT user_id, id, duration_seconds AS s FROM public.calls WHERE user_id = $1 AND duration_seconds % 11 > 0) c",
    )
    .bind(user_id)
    .execute(&db.admin)
    .await
    .unwrap();
    let times = [
        "1969-12-31T23:59:59.5Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "1900-02-28T00:00:00.000001Z",
        "2024-02-29T23:59:59.120000Z",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
    ];
    for (n, instant) in times.into_iter().enumerate() {
        sqlx::query(
            "UPDATE public.calls SET started_at = $3::timestamptz, cost_micros = 9223372036854775807, credits_micros = $2::integer,
                    duration_minutes = 2147483647, outcome = 'cancelled', status = 'cancelled', lead_type = NULL, call_source = 'unknown'
             WHERE user_id = $1 AND duration_seconds = $2",
        )
        .bind(user_id)
        .bind(i32::try_from(n).unwrap())
        .bind(instant)
        .execute(&db.admin)
        .await
        .unwrap();
    }
}

/// Breaks tried: the length of a company's name in bytes, whole and fraction of a
/// negative time signed apart, an empty name taken for none, halves taken as signed,
/// two fields swapped, `credits_micros` left out.
#[tokio::test]
async fn each_fingerprint_is_that_of_the_database() {
    let db = TestDb::new().await;
    let user_id = tenant_with_calls(&db, 700).await;
    make_odd(&db, user_id).await;
    let (from, to) = (time("0001-01-01T00:00:00Z"), time("9999-12-31T23:59:59.9999995Z"));
    let expected: HashMap<Uuid, (i64, i64)> = sqlx::query_as::<_, (Uuid, i64, i64)>(
        "SELECT call_id, tally.fingerprint_hi(fingerprint), tally.fingerprint_lo(fingerprint)
         FROM tally.call_metrics WHERE user_id = $1",
    )
    .bind(user_id)
    .fetch_all(&db.admin)
    .await
    .unwrap()
    .into_iter()
    .map(|(call_id, hi, lo)| (call_id, (hi, lo)))
    .collect();
    let mut tx = db.pool.begin().await.unwrap();
    let calls = scan_with_identities(&mut tx, user_id, from, to + Duration::microseconds(1)).await.unwrap();
    let column = |name: &str| calls.frame.column(name).unwrap().i64().unwrap().iter().flatten().collect::<Vec<i64>>();
    let halves = column("fingerprint_hi").into_iter().zip(column("fingerprint_lo"));
    let identities = calls.identities.as_ref().unwrap();
    let found: HashMap<Uuid, (i64, i64)> = identities.call_ids.iter().copied().zip(halves).collect();
    assert_eq!(found.len(), 700);
    assert_eq!(found, expected);
    assert!(identities.company_names.iter().flatten().any(|name| name.len() == 4 * 255), "the longest name came along");
}

#[tokio::test]
async fn outside_a_transaction_the_scan_fails_instead_of_reading_an_old_range() {
    let db = TestDb::new().await;
    let user_id = tenant_with_calls(&db, 10).await;
    let (from, to) = (time("2025-01-01T00:00:00Z"), time("2026-01-01T00:00:00Z"));
    // Fails when the settings are made for the session. A connection is of no
    // further use after an error, hence two of them.
    let mut fresh = db.pool.acquire().await.unwrap().detach();
    assert!(scan(&mut fresh, user_id, from, to).await.is_err());

    let mut used = db.pool.acquire().await.unwrap().detach();
    let mut tx = used.begin().await.unwrap();
    assert_eq!(scan(&mut tx, user_id, from, to).await.unwrap().len(), 10);
    tx.commit().await.unwrap();
    assert!(scan(&mut used, user_id, from, to).await.is_err());
}
