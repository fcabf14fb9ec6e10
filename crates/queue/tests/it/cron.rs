//! Cron expressions: Unix syntax, and both turns of the clock.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use tallyline_queue::{Cron, Fold, Gap};

/// Fires in the zone, as local time with offset.
fn fires(expression: &str, zone: &str, from: &str, hours: i64) -> Vec<String> {
    fires_with(expression, zone, Gap::default(), Fold::default(), from, hours)
}

fn fires_with(expression: &str, zone: &str, gap: Gap, fold: Fold, from: &str, hours: i64) -> Vec<String> {
    let cron = Cron::parse(expression, zone).unwrap().gap(gap).fold(fold);
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

/// Forward, a daily time within the gap; with its zone, the day before, and what fires when it is skipped.
const FORWARD: [(&str, &str, &str, &str, &str); 7] = [
    ("30 2 * * *", "America/New_York", "2026-03-08 00:00", "08 03:00 -0400", "09 02:30 -0400"),
    ("30 2 * * *", "Europe/Berlin", "2026-03-29 00:00", "29 03:00 +0200", "30 02:30 +0200"),
    ("30 1 * * *", "Europe/London", "2026-03-29 00:00", "29 02:00 +0100", "30 01:30 +0100"),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04 00:00", "04 02:30 +1100", "05 02:15 +1100"),
    ("0 12 * * *", "Pacific/Apia", "2011-12-29 12:01", "31 00:00 +1400", "31 12:00 +1400"),
    ("@daily", "Africa/Cairo", "2026-04-23 12:00", "24 01:00 +0300", "25 00:00 +0300"),
    ("@daily", "America/Sao_Paulo", "2017-10-14 12:00", "15 01:00 -0200", "16 00:00 -0200"),
];

/// Break tried: `gap` not looked at in `Cron::instants`.
#[test]
fn a_time_in_the_gap_fires_after_it_or_not_at_all() {
    for (expression, zone, from, after_gap, next) in FORWARD {
        let with = |gap| fires_with(expression, zone, gap, Fold::Auto, from, 48);
        assert_eq!(with(Gap::Next)[..2], [after_gap, next], "{zone}");
        assert_eq!(with(Gap::Skip)[0], next, "{zone}");
    }
    // What names the end of the gap itself fires there once, either way.
    let twice = |gap| fires_with("30 2,3 * * *", "America/New_York", gap, Fold::Auto, "2026-03-08 00:00", 23);
    assert_eq!(twice(Gap::Next), ["08 03:00 -0400", "08 03:30 -0400"]);
    assert_eq!(twice(Gap::Skip), ["08 03:30 -0400"]);
    let half_hourly = |gap| fires_with("*/30 2-3 * * *", "America/New_York", gap, Fold::Auto, "2026-03-08 00:00", 23);
    assert_eq!(half_hourly(Gap::Next), half_hourly(Gap::Skip));
}

/// Back, a daily time within the fold: zone, the day before, both comings.
const BACK: [(&str, &str, &str, &str, &str); 6] = [
    ("30 1 * * *", "America/New_York", "2026-11-01 00:00", "01 01:30 -0400", "01 01:30 -0500"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:00", "25 02:30 +0200", "25 02:30 +0100"),
    ("30 1 * * *", "Europe/London", "2026-10-25 00:00", "25 01:30 +0100", "25 01:30 +0000"),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05 00:00", "05 01:45 +1100", "05 01:45 +1030"),
    ("@daily", "America/Havana", "2026-10-31 12:00", "01 00:00 -0400", "01 00:00 -0500"),
    ("30 1 * * *", "Antarctica/Troll", "2026-10-25 00:00", "25 01:30 +0200", "25 01:30 +0000"),
];

/// Break tried: `Fold::Second` as `Fold::First`.
#[test]
fn a_time_that_comes_twice_fires_as_it_is_told() {
    for (expression, zone, from, first, second) in BACK {
        let with = |fold| fires_with(expression, zone, Gap::Next, fold, from, 23);
        assert_eq!(with(Fold::Auto), [first], "{zone}");
        assert_eq!(with(Fold::First), [first], "{zone}");
        assert_eq!(with(Fold::Second), [second], "{zone}");
        assert_eq!(with(Fold::Both), [first, second], "{zone}");
    }
    let hourly = |fold| fires_with("0 * * * *", "Europe/Berlin", Gap::Next, fold, "2026-10-25 01:00", 4);
    let [one, two, again, three] = ["25 01:00 +0200", "25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"];
    assert_eq!(hourly(Fold::Auto), [one, two, again, three]);
    assert_eq!(hourly(Fold::Both), [one, two, again, three]);
    assert_eq!(hourly(Fold::First), [one, two, three]);
    assert_eq!(hourly(Fold::Second), [one, again, three]);
}

/// Break tried: only the first later local time looked at; there is then no next fire.
#[test]
fn asked_between_both_comings_it_finds_the_next_day() {
    let cron = Cron::parse("30 1 * * *", "America/New_York").unwrap();
    let second_pass = Utc.with_ymd_and_hms(2026, 11, 1, 6, 10, 0).unwrap();
    assert_eq!(cron.next_after(second_pass), Some(Utc.with_ymd_and_hms(2026, 11, 2, 6, 30, 0).unwrap()));
}

/// Break tried: a span of one hour that is never widened.
#[test]
fn the_nth_last_fire_is_found_from_the_end() {
    let daily = Cron::parse("@daily", "UTC").unwrap();
    let (from, until) = (DateTime::UNIX_EPOCH, Utc.with_ymd_and_hms(2026, 3, 8, 0, 0, 0).unwrap());
    for (nth, days) in [(1, 0), (2, 1), (400, 399)] {
        assert_eq!(daily.nth_last(nth, from, until), Some(until - Duration::days(days)));
    }
    assert_eq!(daily.nth_last(3, until - Duration::days(2), until), None);
    assert_eq!(daily.nth_last(2, until - Duration::days(2), until), Some(until - Duration::days(1)));
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

    fn fires(&self, zone: Tz, gap: Gap, fold: Fold, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let offset =
            |at: DateTime<Utc>| i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
        let local = |at: DateTime<Utc>| at.naive_utc() + Duration::seconds(offset(at));
        let daily = self.minutes.len() * self.hours.len() == 1;
        let mut fires = Vec::new();
        let mut at = after + Duration::minutes(1);
        while at <= until {
            let jump = offset(at) - offset(at - Duration::minutes(1));
            let left_out = (1..=jump / 60).any(|minutes| self.matches(local(at) - Duration::minutes(minutes)));
            // Some time ago it was this time already, or will be again.
            let is_second = || (1..=180).any(|minutes| local(at - Duration::minutes(minutes)) == local(at));
            let is_first = || (1..=180).any(|minutes| local(at + Duration::minutes(minutes)) == local(at));
            let fires_now = || match fold {
                Fold::Both => true,
                Fold::First => !is_second(),
                Fold::Second => !is_first(),
                Fold::Auto => !(daily && is_second()),
            };
            if left_out && gap == Gap::Next || self.matches(local(at)) && fires_now() {
                fires.push(at);
            }
            at += Duration::minutes(1);
        }
        fires
    }
}

/// Zones, and an instant at which the clocks turn.
const TURNS: [(&str, i64); 16] = [
    ("America/New_York", 1_772_953_200),
    ("America/New_York", 1_793_512_800),
    ("Europe/Berlin", 1_774_746_000),
    ("Europe/Berlin", 1_792_890_000),
    ("Europe/London", 1_774_746_000),
    ("Europe/London", 1_792_890_000),
    ("Australia/Lord_Howe", 1_775_314_800),
    ("Australia/Lord_Howe", 1_791_041_400),
    // Midnight does not exist, or comes twice.
    ("Africa/Cairo", 1_776_981_600),
    ("America/Sao_Paulo", 1_508_036_400),
    ("America/Havana", 1_793_509_200),
    // Two hours at once.
    ("Antarctica/Troll", 1_774_746_000),
    ("Antarctica/Troll", 1_792_890_000),
    // A whole day is left out.
    ("Pacific/Apia", 1_325_239_200),
    ("Pacific/Kwajalein", 745_934_400),
    // No turn at all.
    ("Asia/Kathmandu", 1_776_902_400),
];

#[test]
fn the_clocks_turn_where_the_list_says() {
    for (zone, turn) in TURNS {
        let tz: Tz = zone.parse().unwrap();
        let offset = |at: i64| tz.timestamp_opt(at, 0).unwrap().offset().fix().local_minus_utc();
        assert_eq!(offset(turn) == offset(turn - 1), zone == "Asia/Kathmandu", "{zone} {turn}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Breaks tried: each of the two of the tests above; a fold of one hour at most.
    #[test]
    fn fires_are_what_a_walk_over_all_minutes_finds(
        minutes in prop::collection::btree_set(0_u32..60, 1..4),
        hours in prop_oneof![
            prop::collection::btree_set(0_u32..5, 1..4),
            prop::collection::btree_set(0_u32..24, 1..24),
        ],
        weekdays in prop::collection::btree_set(0_u32..7, 1..7),
        (zone, turn) in prop::sample::select(&TURNS[..]),
        start in prop_oneof![-2_880_i64..0, -200_i64..200],
        gap in prop::sample::select(&[Gap::Next, Gap::Skip][..]),
        fold in prop::sample::select(&[Fold::Auto, Fold::First, Fold::Second, Fold::Both][..]),
    ) {
        let meaning = Meaning { minutes, hours, weekdays };
        let after = Utc.timestamp_opt(turn + start * 60, 0).unwrap();
        let until = after + Duration::days(3);
        let cron = Cron::parse(&meaning.expression(), zone).unwrap().gap(gap).fold(fold);
        let zone: Tz = zone.parse().unwrap();
        let found: Vec<_> = cron.fires(after, until).collect();
        let expected = meaning.fires(zone, gap, fold, after, until);
        prop_assert_eq!(&found, &expected, "{} {} {}", meaning.expression(), gap, fold);
        for nth in [1, 2, 7] {
            prop_assert_eq!(cron.nth_last(nth, after, until), found.iter().nth_back(nth - 1).copied());
        }
    }
}
