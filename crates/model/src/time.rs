//! Instants as providers write them, and the 15-minute buckets of the base tier.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// Length of a base-tier bucket, in seconds.
const QUARTER_SECONDS: i64 = 15 * 60;

/// Reads an instant in one of the documented forms, to whole microseconds (which
/// is what the database keeps):
///
/// - `2026-03-03T10:11:12`, with `T` or a space, with or without a fraction of
///   1 to 9 digits; no zone means UTC, as Bolna writes it;
/// - the same followed by `Z`, `+05:30`, `+0530` or `+05`;
/// - RFC 2822 (`Tue, 03 Mar 2026 10:11:12 +0000`), as Twilio writes it.
///
/// Anything else is `None`: epoch numbers, impossible dates, leap seconds and
/// years of other than four digits among them.
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if !text.is_ascii() || text.len() > 64 {
        return None;
    }
    let instant = if text.as_bytes().first()?.is_ascii_digit() {
        parse_iso(text).or_else(|| parse_rfc2822(text))
    } else {
        parse_rfc2822(text)
    };
    // An offset can carry a time out of the years that everybody can write down.
    instant.filter(|instant| (1..=9999).contains(&instant.year()))
}

/// A time as people agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It came with a zone.
    Instant(DateTime<Utc>),
    /// A day where the tenant is; a time of that day may have been given.
    Day(NaiveDate),
}

impl Moment {
    pub(crate) fn instant(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Day(_) => None,
        }
    }

    pub(crate) fn day(self) -> Option<NaiveDate> {
        match self {
            Self::Instant(_) => None,
            Self::Day(date) => Some(date),
        }
    }
}

/// Reads an instant with its zone, or without one a day (`2026-03-05`, or with a
/// time as [`parse_instant`] takes it). Nothing before 2015.
pub(crate) fn parse_moment(text: &str) -> Option<Moment> {
    let day = || {
        let date = text.get(..10)?;
        // The time is looked at too: what is no time makes no day.
        parse_iso(&format!("{date}{}Z", text.get(10..).filter(|rest| !rest.is_empty()).unwrap_or("T00:00:00")))
    };
    let moment = match day() {
        Some(local) => Moment::Day(local.date_naive()),
        None => Moment::Instant(parse_instant(text)?),
    };
    let earliest = earliest_plausible();
    let is_plausible = match moment {
        Moment::Instant(at) => at >= earliest,
        Moment::Day(date) => date >= earliest.date_naive() && date.year() <= 9999,
    };
    is_plausible.then_some(moment)
}

/// Before this no call was made; a clock that says so was never set.
pub(crate) fn earliest_plausible() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(2015, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

/// As [`parse_instant`], for the times that order events: a clock that was never
/// set must not put an event before all others.
pub(crate) fn parse_recent(text: &str) -> Option<DateTime<Utc>> {
    parse_instant(text).filter(|instant| *instant >= earliest_plausible())
}

/// Start of the 15-minute UTC bucket that `t` lies in; buckets are `[start, end)`.
pub fn quarter_start(t: DateTime<Utc>) -> DateTime<Utc> {
    let into_bucket = t.timestamp().rem_euclid(QUARTER_SECONDS);
    let nanos = i64::from(t.timestamp_subsec_nanos());
    t - TimeDelta::seconds(into_bucket) - TimeDelta::nanoseconds(nanos)
}

fn parse_iso(text: &str) -> Option<DateTime<Utc>> {
    let head = text.get(..19)?.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| head[at] != mark) || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    let (micros, zone) = split_fraction(text.get(19..)?)?;
    // A leap second (:60) is refused here, since chrono wants it spelled otherwise.
    let local = date.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, micros)?;
    apply_zone(local, zone)
}

/// Takes `.123456` off the front: the fraction in microseconds, and what follows.
fn split_fraction(rest: &str) -> Option<(u32, &str)> {
    let Some(fraction) = rest.strip_prefix('.') else {
        return Some((0, rest));
    };
    let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let (shown, zone) = fraction.split_at(length);
    let micros =
        shown.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some((micros, zone))
}

fn apply_zone(local: NaiveDateTime, zone: &str) -> Option<DateTime<Utc>> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(local.and_utc());
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match zone.get(1..)? {
        both if both.len() == 5 && both.as_bytes()[2] == b':' => (both.get(..2)?, both.get(3..)?),
        both if both.len() == 4 => both.split_at(2),
        hours if hours.len() == 2 => (hours, "00"),
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    let offset = FixedOffset::east_opt(sign * seconds)?;
    let instant = local.and_local_timezone(offset).single()?;
    Some(instant.with_timezone(&Utc))
}

fn parse_rfc2822(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc2822(text).ok()?;
    let is_leap = instant.timestamp_subsec_nanos() >= 1_000_000_000;
    (!is_leap).then(|| instant.with_timezone(&Utc))
}

fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse_instant(text).map(|t| t.to_rfc3339())
    }

    #[test]
    fn documented_forms_are_read() {
        for (text, want) in [
            ("2025-11-19T08:48:27.193399", "2025-11-19T08:48:27.193399+00:00"),
            ("2026-03-03T10:11:12", "2026-03-03T10:11:12+00:00"),
            ("2026-03-03 10:11:12", "2026-03-03T10:11:12+00:00"),
            ("2026-03-03T10:11:12Z", "2026-03-03T10:11:12+00:00"),
            ("2026-03-03T10:11:12.5Z", "2026-03-03T10:11:12.500+00:00"),
            ("2026-03-03T10:11:12.123456789Z", "2026-03-03T10:11:12.123456+00:00"),
            ("2026-03-03T10:11:12+05:30", "2026-03-03T04:41:12+00:00"),
            ("2026-03-03T10:11:12+0530", "2026-03-03T04:41:12+00:00"),
            ("2026-03-03 10:11:12.25-08", "2026-03-03T18:11:12.250+00:00"),
            ("Tue, 03 Mar 2026 10:11:12 +0000", "2026-03-03T10:11:12+00:00"),
            ("Tue, 03 Mar 2026 10:11:12 +0530", "2026-03-03T04:41:12+00:00"),
            ("1970-01-01T00:00:00", "1970-01-01T00:00:00+00:00"),
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59+00:00"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "1772532672",
            "1772532672000",
            "0000-00-00",
            "0000-00-00T00:00:00",
            "2026-02-30T00:00:00Z",
            "2025-02-29T00:00:00",
            "2026-03-03T24:00:00",
            "2026-03-03T10:11:60Z",
            "2026-03-03",
            "2026-03-03T10:11",
            "294277-01-01T00:00:00Z",
            "+12026-03-03T10:11:12Z",
            "2026-03-03T10:11:12.",
            "2026-03-03T10:11:12.1234567890Z",
            "2026-03-03T10:11:12+5:30",
            "2026-03-03T10:11:12+24:00",
            "2026-03-03T10:11:12+05:60",
            "2026-03-03T10:11:12 IST",
            "2026-03-03x10:11:12",
            "2026/03/03T10:11:12",
            "Wed, 03 Mar 2026 10:11:12 +0000",
            "Tue, 30 Jun 2026 23:59:60 +0000",
            "2026-03-03T1०:11:12",
            "2026-03-03T10:11:12Z ",
            "tomorrow",
            "-1",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_an_instant_only_with_its_zone() {
        let instant = |text| Some(Moment::Instant(parse_instant(text).unwrap()));
        let day = |text: &str| Some(Moment::Day(text.parse().unwrap()));
        for (text, want) in [
            ("2026-03-05", day("2026-03-05")),
            ("2026-03-05T17:00:00", day("2026-03-05")),
            ("2026-03-05 23:59:59.5", day("2026-03-05")),
            ("2026-03-05T17:00:00+05:30", instant("2026-03-05T11:30:00Z")),
            ("2026-03-05T17:00:00Z", instant("2026-03-05T17:00:00Z")),
            ("Tue, 03 Mar 2026 10:11:12 +0530", instant("2026-03-03T04:41:12Z")),
            ("2026-02-30", None),
            ("2026-03-05T25:00:00", None),
            ("2026-03-05T", None),
            ("2026-03-05 later", None),
            ("2014-12-31", None),
            ("0000-00-00", None),
            ("1970-01-01T00:00:00Z", None),
            ("05/03/2026", None),
            ("tomorrow", None),
            ("2026-03-0५", None),
            ("", None),
        ] {
            assert_eq!(parse_moment(text), want, "{text}");
        }
    }

    #[test]
    fn quarters_floor_on_both_sides_of_the_epoch() {
        for (t, want) in [
            ("2026-03-03T10:00:00Z", "2026-03-03T10:00:00+00:00"),
            ("2026-03-03T10:14:59.999999Z", "2026-03-03T10:00:00+00:00"),
            ("2026-03-03T10:15:00Z", "2026-03-03T10:15:00+00:00"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:45:00+00:00"),
        ] {
            let t = parse_instant(t).unwrap();
            assert_eq!(quarter_start(t).to_rfc3339(), want);
        }
    }
}
