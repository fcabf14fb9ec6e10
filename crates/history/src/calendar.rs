//! Local hours, days and months of one zone, from the rows of `tally.zone_offsets`
//! and `tally.calendar`. No zone rule is known here: the calendar is data.

use chrono::{DateTime, NaiveDate, Timelike, Utc};
use sqlx::PgConnection;

use crate::error::HistoryError;
use crate::figures::Grain;

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_QUARTER: i64 = 900_000_000;

/// A half-open range of instants during which the zone's offset is constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetPeriod {
    /// First instant, microseconds since the Unix epoch.
    pub start_micros: i64,
    /// First instant after it.
    pub end_micros: i64,
    /// Local time minus UTC, microseconds.
    pub offset_micros: i64,
}

/// A bucket with its local label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalBucket {
    /// First instant, microseconds since the Unix epoch.
    pub start_micros: i64,
    /// First instant after it.
    pub end_micros: i64,
    /// Local date (of a month its first day; of a quarter the date in UTC).
    pub date: NaiveDate,
    /// Local hour, for hours only.
    pub hour: Option<i32>,
}

/// The calendar of one zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: String,
    offsets: Vec<OffsetPeriod>,
    days: Vec<LocalBucket>,
    months: Vec<LocalBucket>,
}

/// What has a start and an end.
trait Range {
    fn range(&self) -> (i64, i64);
}

impl Range for OffsetPeriod {
    fn range(&self) -> (i64, i64) {
        (self.start_micros, self.end_micros)
    }
}

impl Range for LocalBucket {
    fn range(&self) -> (i64, i64) {
        (self.start_micros, self.end_micros)
    }
}

impl Calendar {
    /// Reads the calendar of a zone.
    ///
    /// # Errors
    /// On database errors, and when the zone has no rows or rows that overlap.
    pub async fn load(connection: &mut PgConnection, zone: &str) -> Result<Calendar, HistoryError> {
        let offsets = sqlx::query_file!("../../sql/verify/calendar_offsets.sql", zone)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|row| OffsetPeriod {
                start_micros: row.period_start.timestamp_micros(),
                end_micros: row.period_end.timestamp_micros(),
                offset_micros: row.offset_micros,
            })
            .collect();
        let (mut days, mut months) = (Vec::new(), Vec::new());
        for row in sqlx::query_file!("../../sql/verify/calendar_buckets.sql", zone).fetch_all(connection).await? {
            let bucket = LocalBucket {
                start_micros: row.bucket_start.timestamp_micros(),
                end_micros: row.bucket_end.timestamp_micros(),
                date: row.date,
                hour: None,
            };
            if row.grain == Grain::Day.as_str() { days.push(bucket) } else { months.push(bucket) }
        }
        Calendar::new(zone, offsets, days, months)
    }

    /// A calendar of given rows, each list oldest first.
    ///
    /// # Errors
    /// When a list is empty, out of order or overlaps.
    pub fn new(
        zone: &str,
        offsets: Vec<OffsetPeriod>,
        days: Vec<LocalBucket>,
        months: Vec<LocalBucket>,
    ) -> Result<Calendar, HistoryError> {
        check(zone, &offsets)?;
        check(zone, &days)?;
        check(zone, &months)?;
        Ok(Calendar { zone: zone.to_owned(), offsets, days, months })
    }

    /// The zone's IANA name.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Local days, oldest first.
    pub fn days(&self) -> &[LocalBucket] {
        &self.days
    }

    /// Local months, oldest first.
    pub fn months(&self) -> &[LocalBucket] {
        &self.months
    }

    /// The bucket of a grain that holds an instant; none outside the calendar.
    pub fn bucket(&self, grain: Grain, instant_micros: i64) -> Option<LocalBucket> {
        match grain {
            Grain::Quarter => quarter(instant_micros),
            Grain::Hour => self.hour(instant_micros),
            Grain::Day => find(&self.days, instant_micros).copied(),
            Grain::Month => find(&self.months, instant_micros).copied(),
        }
    }

    /// The hour of the wall clock, cut off where the offset changes: a repeated
    /// hour is two buckets, and half an hour's change leaves a short one.
    fn hour(&self, instant_micros: i64) -> Option<LocalBucket> {
        let period = find(&self.offsets, instant_micros)?;
        let local = instant_micros.checked_add(period.offset_micros)?;
        let local_hour = local - local.rem_euclid(MICROS_PER_HOUR);
        let start = local_hour - period.offset_micros;
        let label = DateTime::<Utc>::from_timestamp_micros(local_hour)?;
        Some(LocalBucket {
            start_micros: start.max(period.start_micros),
            end_micros: (start + MICROS_PER_HOUR).min(period.end_micros),
            date: label.date_naive(),
            hour: i32::try_from(label.hour()).ok(),
        })
    }
}

/// Start of the quarter of an hour (UTC) that holds an instant.
pub(crate) fn quarter_start(instant_micros: i64) -> i64 {
    instant_micros - instant_micros.rem_euclid(MICROS_PER_QUARTER)
}

fn quarter(instant_micros: i64) -> Option<LocalBucket> {
    let start_micros = quarter_start(instant_micros);
    let end_micros = start_micros.checked_add(MICROS_PER_QUARTER)?;
    let date = DateTime::<Utc>::from_timestamp_micros(start_micros)?.date_naive();
    Some(LocalBucket { start_micros, end_micros, date, hour: None })
}

fn find<T: Range>(sorted: &[T], instant_micros: i64) -> Option<&T> {
    let after = sorted.partition_point(|item| item.range().0 <= instant_micros);
    let item = sorted.get(after.checked_sub(1)?)?;
    (instant_micros < item.range().1).then_some(item)
}

fn check<T: Range>(zone: &str, rows: &[T]) -> Result<(), HistoryError> {
    let fault = |reason| Err(HistoryError::Calendar { zone: zone.to_owned(), reason });
    if rows.is_empty() {
        return fault("no rows");
    }
    if rows.iter().any(|row| row.range().0 >= row.range().1) {
        return fault("an empty or reversed range");
    }
    if rows.windows(2).any(|pair| pair[0].range().1 > pair[1].range().0) {
        return fault("ranges overlap or are out of order");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
    }

    fn period(from: &str, to: &str, offset_minutes: i64) -> OffsetPeriod {
        OffsetPeriod { start_micros: micros(from), end_micros: micros(to), offset_micros: offset_minutes * 60_000_000 }
    }

    fn range(from: &str, to: &str, date: &str) -> LocalBucket {
        LocalBucket { start_micros: micros(from), end_micros: micros(to), date: date.parse().unwrap(), hour: None }
    }

    /// Lord Howe turns its clock back by half an hour at 2025-04-05T15:00Z, 02:00 there.
    fn lord_howe() -> Calendar {
        let offsets = vec![
            period("2025-04-01T00:00:00Z", "2025-04-05T15:00:00Z", 660),
            period("2025-04-05T15:00:00Z", "2025-04-30T00:00:00Z", 630),
        ];
        let days = vec![range("2025-04-05T13:00:00Z", "2025-04-06T13:30:00Z", "2025-04-06")];
        let months = vec![range("2025-03-31T13:00:00Z", "2025-04-30T13:30:00Z", "2025-04-01")];
        Calendar::new("Australia/Lord_Howe", offsets, days, months).unwrap()
    }

    #[test]
    fn an_hour_is_cut_where_the_offset_changes() {
        // Fails without `.max(period.start_micros)`: the hour after the change would
        // then begin at 14:30Z and lie over the hour before it.
        let hour = |instant: &str| lord_howe().bucket(Grain::Hour, micros(instant)).unwrap();
        let before = hour("2025-04-05T14:59:59.999999Z");
        assert_eq!(
            (before.start_micros, before.end_micros),
            (micros("2025-04-05T14:00:00Z"), micros("2025-04-05T15:00:00Z"))
        );
        let after = hour("2025-04-05T15:00:00Z");
        assert_eq!(
            (after.start_micros, after.end_micros),
            (micros("2025-04-05T15:00:00Z"), micros("2025-04-05T15:30:00Z"))
        );
        assert_eq!((before.hour, after.hour), (Some(1), Some(1)));
        assert_eq!(before.date, after.date);
    }

    #[test]
    fn the_end_of_a_bucket_belongs_to_the_next() {
        let calendar = lord_howe();
        assert!(calendar.bucket(Grain::Day, micros("2025-04-05T13:00:00Z")).is_some());
        assert!(calendar.bucket(Grain::Day, micros("2025-04-05T12:59:59.999999Z")).is_none());
        assert!(calendar.bucket(Grain::Day, micros("2025-04-06T13:30:00Z")).is_none());
    }

    #[test]
    fn quarters_before_1970_are_floored() {
        // Fails with `%` instead of `rem_euclid`.
        assert_eq!(quarter_start(-1), -MICROS_PER_QUARTER);
    }

    #[test]
    fn overlapping_days_are_refused() {
        let mut days = lord_howe().days;
        days.push(range("2025-04-06T13:00:00Z", "2025-04-07T13:30:00Z", "2025-04-07"));
        let calendar = lord_howe();
        assert!(Calendar::new("X/Y", calendar.offsets, days, calendar.months).is_err());
    }
}
