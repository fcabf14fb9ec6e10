//! Local hours, days and months by `chrono-tz`, an engine other than the
//! database's, so that an error in one of them shows.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Length of a bucket on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    Hour,
    Day,
    Month,
}

impl Grain {
    /// Every grain, the finest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// The name in the column `grain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// First instant of the local hour, day or month that `instant` lies in.
///
/// An hour is an hour of the wall clock, split where the offset changes: a
/// repeated hour is two buckets. A day is all instants with one local date, so
/// it starts after a gap at midnight and at the first of two midnights.
pub fn bucket_start(zone: Tz, grain: Grain, instant: DateTime<Utc>) -> DateTime<Utc> {
    match grain {
        Grain::Hour => hour_start(zone, instant),
        Grain::Day => date_start(zone, local_date(zone, instant)),
        Grain::Month => {
            let date = local_date(zone, instant);
            date_start(zone, date.with_day(1).unwrap_or(date))
        }
    }
}

/// First instant whose local date is `date` or, if the zone skipped it, later.
pub fn date_start(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
    // No zone lies further than 15 hours from UTC.
    let before = midnight - TimeDelta::hours(16);
    let after = midnight + TimeDelta::hours(16);
    first_second(before, after, |t| local_date(zone, t) >= date)
}

/// Local date of `instant`.
pub fn local_date(zone: Tz, instant: DateTime<Utc>) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// Instants in `[from, to)` at which the zone's offset from UTC changes.
pub fn offset_changes(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut found = Vec::new();
    let mut left = from;
    while left < to {
        let right = left + TimeDelta::hours(6);
        let offset = offset_seconds(zone, left);
        if offset_seconds(zone, right) != offset {
            let change = first_second(left, right, |t| offset_seconds(zone, t) != offset);
            found.extend((change < to).then_some(change));
        }
        left = right;
    }
    found
}

fn hour_start(zone: Tz, instant: DateTime<Utc>) -> DateTime<Utc> {
    let offset = offset_seconds(zone, instant);
    let into_hour = (instant.timestamp() + offset).rem_euclid(3600);
    let nanos = i64::from(instant.timestamp_subsec_nanos());
    let on_the_clock = instant - TimeDelta::seconds(into_hour) - TimeDelta::nanoseconds(nanos);
    if offset_seconds(zone, on_the_clock) == offset {
        return on_the_clock;
    }
    first_second(on_the_clock, instant, |t| offset_seconds(zone, t) == offset)
}

fn offset_seconds(zone: Tz, instant: DateTime<Utc>) -> i64 {
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix();
    i64::from(offset.local_minus_utc())
}

/// First whole second in `(before, after]` at which `holds`, given that it does
/// not at `before`, does at `after`, and never stops holding in between.
fn first_second(before: DateTime<Utc>, after: DateTime<Utc>, holds: impl Fn(DateTime<Utc>) -> bool) -> DateTime<Utc> {
    let (mut no, mut yes) = (0, (after - before).num_seconds());
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        if holds(before + TimeDelta::seconds(middle)) {
            yes = middle;
        } else {
            no = middle;
        }
    }
    before + TimeDelta::seconds(yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn check(zone: Tz, grain: Grain, cases: &[(&str, &str)]) {
        for (instant, start) in cases {
            let found = bucket_start(zone, grain, at(instant));
            assert_eq!(found, at(start), "{zone} {grain:?} of {instant}");
        }
    }

    #[test]
    fn a_repeated_hour_is_two_buckets() {
        // 2026-11-01 02:00 EDT (06:00Z) becomes 01:00 EST.
        let zone = Tz::America__New_York;
        check(
            zone,
            Grain::Hour,
            &[
                ("2026-11-01T05:30:00Z", "2026-11-01T05:00:00Z"),
                ("2026-11-01T05:59:59.999999Z", "2026-11-01T05:00:00Z"),
                ("2026-11-01T06:00:00Z", "2026-11-01T06:00:00Z"),
                ("2026-11-01T06:30:00Z", "2026-11-01T06:00:00Z"),
            ],
        );
        let (this, next) = (NaiveDate::from_ymd_opt(2026, 11, 1), NaiveDate::from_ymd_opt(2026, 11, 2));
        let length = date_start(zone, next.unwrap()) - date_start(zone, this.unwrap());
        assert_eq!(length, TimeDelta::hours(25));
    }

    #[test]
    fn a_skipped_hour_leaves_a_day_of_23() {
        // 2026-03-08 02:00 EST (07:00Z) becomes 03:00 EDT.
        let zone = Tz::America__New_York;
        check(
            zone,
            Grain::Hour,
            &[("2026-03-08T06:59:59Z", "2026-03-08T06:00:00Z"), ("2026-03-08T07:00:01Z", "2026-03-08T07:00:00Z")],
        );
        check(
            zone,
            Grain::Day,
            &[
                ("2026-03-08T05:00:00Z", "2026-03-08T05:00:00Z"),
                ("2026-03-08T04:59:59.999999Z", "2026-03-07T05:00:00Z"),
                ("2026-03-09T03:59:59Z", "2026-03-08T05:00:00Z"),
                ("2026-03-09T04:00:00Z", "2026-03-09T04:00:00Z"),
            ],
        );
    }

    // Breaks if the hour is cut by the clock alone, without looking for the change.
    #[test]
    fn half_an_hour_of_change_splits_the_hour_of_the_clock() {
        // Lord Howe, 2026-04-05 02:00 +11 (2026-04-04 15:00Z) becomes 01:30 +10:30.
        let zone = Tz::Australia__Lord_Howe;
        check(
            zone,
            Grain::Hour,
            &[
                ("2026-04-04T14:45:00Z", "2026-04-04T14:00:00Z"),
                ("2026-04-04T15:00:00Z", "2026-04-04T15:00:00Z"),
                ("2026-04-04T15:29:59Z", "2026-04-04T15:00:00Z"),
                ("2026-04-04T15:30:00Z", "2026-04-04T15:30:00Z"),
            ],
        );
        // 2026-10-04 02:00 +10:30 (2026-10-03 15:30Z) becomes 02:30 +11.
        check(
            zone,
            Grain::Hour,
            &[
                ("2026-10-03T15:29:59Z", "2026-10-03T14:30:00Z"),
                ("2026-10-03T15:45:00Z", "2026-10-03T15:30:00Z"),
                ("2026-10-03T16:10:00Z", "2026-10-03T16:00:00Z"),
            ],
        );
    }

    #[test]
    fn offsets_of_three_quarters_move_every_boundary() {
        let zone = Tz::Asia__Kathmandu;
        check(zone, Grain::Hour, &[("2026-03-03T10:14:59Z", "2026-03-03T09:15:00Z")]);
        check(zone, Grain::Day, &[("2026-03-03T18:14:59.5Z", "2026-03-02T18:15:00Z")]);
        check(zone, Grain::Day, &[("2026-03-03T18:15:00Z", "2026-03-03T18:15:00Z")]);
        check(zone, Grain::Month, &[("2026-02-28T18:15:00Z", "2026-02-28T18:15:00Z")]);
        check(zone, Grain::Month, &[("2026-02-28T18:14:59Z", "2026-01-31T18:15:00Z")]);
    }

    // Breaks if a day is taken to start at the later of two midnights.
    #[test]
    fn a_day_starts_at_the_first_of_two_midnights_and_behind_a_missing_one() {
        // Azores, 2026-10-25 01:00 +00 becomes 00:00 -01: midnight comes twice.
        check(
            Tz::Atlantic__Azores,
            Grain::Day,
            &[("2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z"), ("2026-10-25T01:30:00Z", "2026-10-25T00:00:00Z")],
        );
        // Cairo, 2026-04-24 00:00 +02 (2026-04-23 22:00Z) becomes 01:00 +03.
        check(
            Tz::Africa__Cairo,
            Grain::Day,
            &[("2026-04-23T21:59:59Z", "2026-04-22T22:00:00Z"), ("2026-04-23T22:00:00Z", "2026-04-23T22:00:00Z")],
        );
    }

    #[test]
    fn changes_of_the_offset_are_found_to_the_second() {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let found = offset_changes(Tz::America__New_York, from, to);
        assert_eq!(found, [at("2026-03-08T07:00:00Z"), at("2026-11-01T06:00:00Z")]);
        assert!(offset_changes(Tz::Asia__Kolkata, from, to).is_empty());
    }
}
