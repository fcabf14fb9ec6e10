//! The calendar against an independent reckoning: the same hours, days and months
//! counted by walking through time with chrono-tz, another tz database in another
//! program. Past years only: about future ones two databases of different age may
//! rightly disagree.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;
use tallyline_testkit::TestDb;

/// Offsets of 30 and 45 minutes, a change by half an hour, clocks that go forward
/// or back over midnight, summer time abolished or brought back, and none at all.
const ZONES: [&str; 12] = [
    "Africa/Cairo",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "UTC",
];

const QUARTER_SECONDS: i64 = 900;

/// Start and end in seconds since the Unix epoch, the local date and, of an hour, its number.
type Bucket = (i64, i64, NaiveDate, Option<i32>);

/// Hours, days and months that begin in a stretch of time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Buckets {
    hours: BTreeSet<Bucket>,
    days: BTreeSet<Bucket>,
    months: BTreeSet<Bucket>,
}

impl Buckets {
    fn count(&self) -> [usize; 3] {
        [self.hours.len(), self.days.len(), self.months.len()]
    }

    /// Everything that only one of two sides has.
    fn differences(&self, other: &Buckets) -> Vec<Bucket> {
        let pairs = [(&self.hours, &other.hours), (&self.days, &other.days), (&self.months, &other.months)];
        pairs.into_iter().flat_map(|(a, b)| a.symmetric_difference(b).copied()).collect()
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A run of quarters with one label, cut where another begins; the first and the last are taken to be cut off.
fn runs<Label: PartialEq + Copy>(
    quarters: &[(i64, Label)],
    from: i64,
    to: i64,
    name: impl Fn(Label) -> (NaiveDate, Option<i32>),
) -> BTreeSet<Bucket> {
    let starts: Vec<_> = quarters.windows(2).filter(|pair| pair[0].1 != pair[1].1).map(|pair| pair[1]).collect();
    let runs = starts.windows(2).map(|pair| (pair[0].0, pair[1].0, name(pair[0].1)));
    runs.filter(|run| from <= run.0 && run.0 < to).map(|(start, end, (date, hour))| (start, end, date, hour)).collect()
}

/// What begins in [from, to), by walking through it in quarters of an hour.
fn reckoned(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Buckets {
    // Far enough beyond both ends for the months that begin inside to be whole.
    let (first, last) = (from.timestamp() - 86_400, to.timestamp() + 32 * 86_400);
    let quarters: Vec<_> = (first..last)
        .step_by(usize::try_from(QUARTER_SECONDS).unwrap())
        .map(|second| {
            let utc = DateTime::<Utc>::from_timestamp(second, 0).unwrap().naive_utc();
            let offset = zone.offset_from_utc_datetime(&utc).fix();
            let local = utc + offset;
            (second, (local.date(), i32::try_from(local.hour()).unwrap(), offset.local_minus_utc()))
        })
        .collect();
    let (from, to) = (from.timestamp(), to.timestamp());
    let dates: Vec<_> = quarters.iter().map(|(second, label)| (*second, label.0)).collect();
    let months: Vec<_> = dates.iter().map(|(second, date)| (*second, date.with_day(1).unwrap())).collect();
    Buckets {
        hours: runs(&quarters, from, to, |(date, hour, _)| (date, Some(hour))),
        days: runs(&dates, from, to, |date| (date, None)),
        months: runs(&months, from, to, |date| (date, None)),
    }
}

/// What begins in [from, to) by the database's calendar, as the roll-ups ask it.
async fn stored(pool: &PgPool, zone: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Buckets {
    // From the end of an hour to the next: a gap or an overlap would show as hours too few or too many.
    let hours = "WITH RECURSIVE walk AS (
             SELECT h.* FROM tally.hour_bucket($1, $2) h
             UNION ALL
             SELECT h.* FROM walk w CROSS JOIN LATERAL tally.hour_bucket($1, w.bucket_end) h WHERE w.bucket_end < $3)
         SELECT extract(epoch FROM bucket_start)::bigint, extract(epoch FROM bucket_end)::bigint, date, hour
         FROM walk WHERE bucket_start >= $2";
    let larger =
        "SELECT extract(epoch FROM bucket_start)::bigint, extract(epoch FROM bucket_end)::bigint, date, NULL::integer
         FROM tally.calendar WHERE zone = $1 AND bucket_start >= $2 AND bucket_start < $3 AND grain = $4";
    let hours = sqlx::query_as(hours).bind(zone).bind(from).bind(to).fetch_all(pool).await.unwrap();
    let mut by_grain = Vec::new();
    for grain in ["day", "month"] {
        let rows: Vec<Bucket> =
            sqlx::query_as(larger).bind(zone).bind(from).bind(to).bind(grain).fetch_all(pool).await.unwrap();
        by_grain.push(rows.into_iter().collect());
    }
    let months = by_grain.pop().unwrap();
    let days = by_grain.pop().unwrap();
    Buckets { hours: hours.into_iter().collect(), days, months }
}

/// Twelve zones, five years. The server's tz database and chrono-tz's agree about
/// 2020 to 2024: both know that Samoa gave up summer time in 2021, and that Egypt
/// took it up again in 2023.
///
/// Breaks tried: changes looked for in steps of an hour (Lord Howe), hours not cut
/// where the offset changes, days taken to begin at the server's own midnight (Havana).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_zones_and_five_years_are_as_an_independent_reckoning_has_them() {
    let db = TestDb::new().await;
    let (from, to) = (instant("2020-01-01T00:00:00Z"), instant("2025-01-01T00:00:00Z"));
    let mut compared = [0; 3];
    for zone in ZONES {
        sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&db.pool).await.unwrap();
        let tz: Tz = zone.parse().unwrap();
        let reckoning = tokio::task::spawn_blocking(move || reckoned(tz, from, to));
        let stored = stored(&db.pool, zone, from, to).await;
        let reckoned = reckoning.await.unwrap();
        let differences = stored.differences(&reckoned);
        assert!(differences.is_empty(), "{zone}: {} differences, the first: {:?}", differences.len(), differences[0]);
        for (sum, count) in compared.iter_mut().zip(reckoned.count()) {
            *sum += count;
        }
    }
    let [hours, days, months] = compared;
    println!("compared {hours} hours, {days} days, {months} months: 0 differences");
    assert!(hours > 500_000, "{hours} hours");
    assert!((21_900..=21_930).contains(&days), "{days} days");
    // Of zones west of Greenwich, January 2020 began inside; of those east of it, January 2025.
    assert_eq!(months, 12 * 60);
}

/// Samoa went from one side of the date line to the other at the end of 29
/// December 2011. The calendar begins later, so that time is derived here under
/// another name.
///
/// Break tried: without the condition on the date in `tally.derive_buckets` the
/// day that never was gets the instants of the next.
#[tokio::test]
async fn a_day_that_a_zone_skipped_has_no_bucket() {
    let db = TestDb::new().await;
    let (from, to) = (instant("2011-12-01T00:00:00Z"), instant("2012-03-01T00:00:00Z"));
    for statement in [
        "INSERT INTO tally.zones (zone) VALUES ('Samoa in 2011')",
        "INSERT INTO tally.zone_offsets SELECT 'Samoa in 2011', * FROM tally.derive_offsets('Pacific/Apia', '2011-11-01Z', '2012-05-01Z')",
        "INSERT INTO tally.calendar SELECT 'Samoa in 2011', * FROM tally.derive_buckets('Pacific/Apia', '2011-11-01Z', '2012-05-01Z')",
    ] {
        sqlx::query(statement).execute(&db.admin).await.unwrap();
    }
    let stored = stored(&db.pool, "Samoa in 2011", from, to).await;
    assert_eq!(stored.differences(&reckoned(Tz::Pacific__Apia, from, to)), []);
    let named = |text: &str| {
        let date: NaiveDate = text.parse().unwrap();
        stored.days.iter().find(|day| day.2 == date).map(|day| (day.1 - day.0) / 3600)
    };
    assert_eq!([named("2011-12-29"), named("2011-12-30"), named("2011-12-31")], [Some(24), None, Some(24)]);
    let december = stored.months.iter().find(|month| month.2.month() == 12).unwrap();
    assert_eq!((december.1 - december.0) / 3600, 30 * 24);
}
