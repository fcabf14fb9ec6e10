//! Cron expressions: Unix syntax, and both turns of the clock.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use tallyline_queue::Cron;

/// The fires of a day in the zone, as local time with offset.
fn fires(expression: &str, zone: &str, from: &str, hours: i64) -> Vec<String> {
    let cron = Cron::parse(expression, zone).unwrap();
    let zone: Tz = zone.parse().unwrap();
    let from = NaiveDateTime::parse_from_str(from, "%Y-%m-%d %H:%M").unwrap();
    let from = zone.from_local_datetime(&from).earliest().unwrap().to_utc();
    cron.fires(from - Duration::seconds(1), from + Duration::hours(hours) - Duration::seconds(1))
        .map(|at| at.with_timezone(&zone).format("%d %H:%M %z").to_string())
        .collect()
}

/// Broken by hand: with `daily` always false the fold's fire comes twice.
#[test]
fn new_york_and_berlin_in_spring_and_autumn() {
    let new_york = "America/New_York";
    let berlin = "Europe/Berlin";
    // Forward: 02:00 to 03:00 is missing.
    assert_eq!(
        fires("30 2 * * *", new_york, "2026-03-07 00:00", 71),
        ["07 02:30 -0500", "08 03:00 -0400", "09 02:30 -0400"]
    );
    assert_eq!(
        fires("30 2 * * *", berlin, "2026-03-28 00:00", 71),
        ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]
    );
    assert_eq!(
        fires("*/30 * * * *", new_york, "2026-03-08 01:00", 2),
        ["08 01:00 -0500", "08 01:30 -0500", "08 03:00 -0400", "08 03:30 -0400"],
        "times in the gap fall together with the first that exists"
    );
    // Back: 01:00 to 02:00, in Berlin 02:00 to 03:00, comes twice.
    assert_eq!(fires("30 1 * * *", new_york, "2026-11-01 00:00", 49), ["01 01:30 -0400", "02 01:30 -0500"]);
    assert_eq!(fires("30 2 * * *", berlin, "2026-10-25 00:00", 49), ["25 02:30 +0200", "26 02:30 +0100"]);
    assert_eq!(
        fires("*/30 * * * *", new_york, "2026-11-01 01:00", 3),
        ["01 01:00 -0400", "01 01:30 -0400", "01 01:00 -0500", "01 01:30 -0500", "01 02:00 -0500", "01 02:30 -0500"]
    );
    assert_eq!(
        fires("0 * * * *", berlin, "2026-10-25 01:00", 4),
        ["25 01:00 +0200", "25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"]
    );
}

#[test]
fn lord_howe_moves_by_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    // Forward: 02:00 to 02:30 is missing. Back: 01:30 to 02:00 comes twice.
    assert_eq!(fires("15 2 * * *", zone, "2026-10-04 00:00", 47), ["04 02:30 +1100", "05 02:15 +1100"]);
    assert_eq!(fires("45 1 * * *", zone, "2026-04-05 00:00", 48), ["05 01:45 +1100", "06 01:45 +1030"]);
    assert_eq!(
        fires("*/15 1 * * *", zone, "2026-04-05 01:00", 2),
        ["05 01:00 +1100", "05 01:15 +1100", "05 01:30 +1100", "05 01:45 +1100", "05 01:30 +1030", "05 01:45 +1030"]
    );
}

#[test]
fn a_day_that_does_not_exist_fires_when_the_next_begins() {
    // Samoa left out 30 December 2011.
    assert_eq!(
        fires("0 12 * * *", "Pacific/Apia", "2011-12-29 00:00", 40),
        ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]
    );
}

#[test]
fn midnight_that_does_not_exist() {
    // Cairo goes forward at midnight.
    assert_eq!(fires("@daily", "Africa/Cairo", "2026-04-23 12:00", 36), ["24 01:00 +0300", "25 00:00 +0300"]);
}

#[test]
fn unix_syntax() {
    let month = |expression: &str| fires(expression, "UTC", "2026-02-01 00:00", 28 * 24);
    let days = |expression: &str| -> Vec<u32> { month(expression).iter().map(|at| at[..2].parse().unwrap()).collect() };
    // 1 February 2026 is a Sunday.
    assert_eq!(days("0 0 * * 0"), [1, 8, 15, 22]);
    assert_eq!(days("0 0 * * 7"), days("0 0 * * sun"));
    assert_eq!(days("0 0 * * 7"), days("@weekly"));
    assert_eq!(days("0 0 * * mon-wed/2"), [2, 4, 9, 11, 16, 18, 23, 25]);
    assert_eq!(days("0 0 * * 5-7"), [1, 6, 7, 8, 13, 14, 15, 20, 21, 22, 27, 28]);
    assert_eq!(days("0 0 13 * 5"), [6, 13, 20, 27], "day of month or day of week");
    assert_eq!(days("0 0 10 * 5"), [6, 10, 13, 20, 27], "day of month or day of week");
    assert_eq!(days("0 0 */10 * 3"), [11], "a star in front restricts with, not or");
    assert_eq!(days("0 0 1-5,28 FEB *"), [1, 2, 3, 4, 5, 28]);
    assert_eq!(days("0 0 * 3 *"), [0_u32; 0]);
    assert_eq!(month("50/5 23 1 * *"), ["01 23:50 +0000", "01 23:55 +0000"]);
    assert_eq!(Cron::parse("0 0 30 2 *", "UTC").unwrap().next_after(DateTime::UNIX_EPOCH), None);
}

#[test]
fn nonsense_is_refused_with_the_field() {
    for (expression, word) in [
        ("* * * *", "4 fields"),
        ("0 * * * * *", "6 fields"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of week"),
        ("5-1 * * * *", "backwards"),
        ("*/0 * * * *", "step"),
        ("+5 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("", "0 fields"),
    ] {
        let error = Cron::parse(expression, "UTC").unwrap_err().to_string();
        assert!(error.contains(word), "{expression:?}: {error}");
    }
    assert!(Cron::parse("* * * * *", "Nowhere").unwrap_err().to_string().contains("Nowhere"));
}

/// What an expression means, minute by minute, without any iteration by fields.
struct Meaning {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    weekdays: BTreeSet<u32>,
}

impl Meaning {
    fn matches(&self, local: NaiveDateTime) -> bool {
        self.minutes.contains(&local.minute())
            && self.hours.contains(&local.hour())
            && self.weekdays.contains(&local.weekday().num_days_from_sunday())
    }

    fn expression(&self) -> String {
        let list = |values: &BTreeSet<u32>| values.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        format!("{} {} * * {}", list(&self.minutes), list(&self.hours), list(&self.weekdays))
    }

    fn fires(&self, zone: Tz, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let offset =
            |at: DateTime<Utc>| i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
        let local = |at: DateTime<Utc>| at.naive_utc() + Duration::seconds(offset(at));
        let daily = self.minutes.len() * self.hours.len() == 1;
        let mut fires = Vec::new();
        let mut at = after + Duration::minutes(1);
        while at <= until {
            let jump = offset(at) - offset(at - Duration::minutes(1));
            let skipped = (1..=jump / 60).any(|minutes| self.matches(local(at) - Duration::minutes(minutes)));
            // The second coming: some time ago it was this time already.
            let again = || (1..=180).any(|minutes| local(at - Duration::minutes(minutes)) == local(at));
            if skipped || self.matches(local(at)) && !(daily && again()) {
                fires.push(at);
            }
            at += Duration::minutes(1);
        }
        fires
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn fires_are_what_a_walk_over_all_minutes_finds(
        minutes in prop::collection::btree_set(0_u32..60, 1..4),
        hours in prop_oneof![
            prop::collection::btree_set(0_u32..5, 1..4),
            prop::collection::btree_set(0_u32..24, 1..24),
        ],
        weekdays in prop::collection::btree_set(0_u32..7, 1..7),
        // Each with a turn of the clocks within the three days after the start.
        (zone, start) in prop_oneof![
            Just(("America/New_York", 1_772_841_600_i64)),
            Just(("America/New_York", 1_793_404_800)),
            Just(("Europe/Berlin", 1_774_656_000)),
            Just(("Europe/Berlin", 1_792_800_000)),
            Just(("Australia/Lord_Howe", 1_775_260_800)),
            Just(("Australia/Lord_Howe", 1_790_985_600)),
            Just(("Africa/Cairo", 1_776_902_400)),
            Just(("Asia/Kathmandu", 1_776_902_400)),
        ],
        late in 0_i64..1_440,
    ) {
        let meaning = Meaning { minutes, hours, weekdays };
        let after = Utc.timestamp_opt(start + late * 60, 0).unwrap();
        let until = after + Duration::days(3);
        let cron = Cron::parse(&meaning.expression(), zone).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let found: Vec<_> = cron.fires(after, until).collect();
        prop_assert_eq!(found, meaning.fires(zone, after, until), "{}", meaning.expression());
    }
}
