//! Trends against figures worked out by hand, and against a slow reckoning by
//! dates that shares nothing with the frames.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use uuid::Uuid;

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// So many days, the last of them given.
fn days_until(last: &str, count: u64) -> Vec<NaiveDate> {
    (0..count).rev().map(|back| date(last) - Days::new(back)).collect()
}

fn calls(agent_id: Option<Uuid>, date: NaiveDate, calls: i64) -> DayRow {
    DayRow { agent_id, date, values: [calls, 0, 0, 0, 0] }
}

fn of_calls(days: &[NaiveDate], start: Option<NaiveDate>, rows: &[DayRow]) -> MetricTrend {
    trends(days, start, rows).unwrap().metrics.into_iter().next().unwrap()
}

/// Breaks tried: `dense` with nothing where a day has no row;
/// `min_periods: 1`.
#[test]
fn a_mean_is_over_days_and_not_over_rows() {
    let days = days_until("2026-03-14", 14);
    // Nothing before the 3rd; 7 on the 3rd, 14 on the 8th, nothing else.
    let rows = [calls(None, date("2026-03-03"), 7), calls(None, date("2026-03-08"), 14)];
    let trend = of_calls(&days, Some(date("2026-03-03")), &rows);
    assert_eq!(trend.values[..3], [None, None, Some(7)]);
    assert_eq!(trend.values[3..8], [Some(0), Some(0), Some(0), Some(0), Some(14)]);
    // The seventh day is the 9th: (7 + 0×4 + 14 + 0) / 7 = 3; from the 10th on without the 7.
    assert_eq!(trend.mean_7[..8], [None; 8]);
    assert_eq!(trend.mean_7[8..], [Some(3.0), Some(2.0), Some(2.0), Some(2.0), Some(2.0), Some(2.0)]);
    assert_eq!(trend.mean_28, [None; 14]);
}

/// Break tried: `change` without its `when`: 3 against 0 is infinite.
#[test]
fn a_change_against_nothing_is_no_number() {
    let days = days_until("2026-03-14", 14);
    let rows: Vec<DayRow> = days
        .iter()
        .enumerate()
        .map(|(i, day)| calls(None, *day, [4, 0, 2, 2, 2, 2, 2, 6, 3, 1, 2, 2, 2, 2][i]))
        .collect();
    let trend = of_calls(&days, Some(days[0]), &rows);
    // 6 against 4, 3 against 0, 1 against 2.
    assert_eq!(trend.day_change[..7], [None; 7]);
    assert_eq!(trend.day_change[7..10], [Some(0.5), None, Some(-0.5)]);
    // 18 in the second week, 14 in the first.
    assert_eq!(trend.week_change[..13], [None; 13]);
    assert_eq!(trend.week_change[13], Some(4.0 / 14.0));
}

/// Thirty calls on every Saturday, 100 on other days. Breaks tried: medians over
/// all weekdays (every Saturday is flagged); no floor under the MAD (152 too).
#[test]
fn a_day_is_held_against_its_own_weekday() {
    let days = days_until("2026-03-14", NEEDED_DAYS as u64); // ends with a Saturday
    let usual = |day: NaiveDate| if chrono::Datelike::weekday(&day) == chrono::Weekday::Sat { 30 } else { 100 };
    let with = |changed: &[(&str, i64)]| -> Vec<DayRow> {
        days.iter()
            .map(|day| {
                let other = changed.iter().find(|(on, _)| date(on) == *day).map(|(_, value)| *value);
                calls(None, *day, other.unwrap_or_else(|| usual(*day)))
            })
            .collect()
    };
    let found = |rows: &[DayRow]| trends(&days, Some(days[0]), rows).unwrap().anomalies;
    assert_eq!(found(&with(&[])), []);
    let busy_saturday = Anomaly {
        metric: "total_calls",
        date: date("2026-03-14"),
        value: 100,
        usual_doubled: 60,
        weeks: COMPARED_WEEKS,
    };
    assert_eq!(found(&with(&[("2026-03-14", 100)])), [busy_saturday]);
    // The MAD is 0, its floor 10: 3.5 × 10 / 0.6745 is 51.89.
    assert_eq!(found(&with(&[("2026-03-13", 151)])), []);
    assert_eq!(found(&with(&[("2026-03-13", 152)])).len(), 1);
    assert_eq!(found(&with(&[("2026-03-13", 48)])).len(), 1);
    // Days that a flagged one is compared with later are not flagged for it: a median has no memory of one week.
    assert_eq!(found(&with(&[("2026-02-20", 5000)])).len(), 1);
}

/// Breaks tried: `LEAST_WEEKS` 3; no least difference.
#[test]
fn few_weeks_and_few_calls_are_no_evidence() {
    let days = days_until("2026-03-14", NEEDED_DAYS as u64);
    let spike = |weeks: u64, usual: i64, value: i64| {
        let start = date("2026-03-14") - Days::new(weeks * 7);
        let rows: Vec<DayRow> = days
            .iter()
            .filter(|day| **day >= start)
            .map(|day| calls(None, *day, if *day == date("2026-03-14") { value } else { usual }))
            .collect();
        trends(&days, Some(start), &rows).unwrap().anomalies.len()
    };
    assert_eq!([spike(3, 100, 900), spike(4, 100, 900)], [0, 1]);
    assert_eq!([spike(8, 1, 10), spike(8, 1, 11)], [0, 1]);
}

/// By hand: 8 Mondays of 10, 20, … 80: median 45, distances 5 5 15 15 25 25 35 35,
/// MAD 20; 3.5 × 20 / 0.6745 = 103.78, so 148 is usual and 149 is not.
#[test]
fn a_tenant_with_a_wide_spread_needs_a_wide_difference() {
    let weeks: Vec<i64> = (1..=8).map(|week| week * 10).collect();
    assert_eq!(differs(148, &weeks, 1), None);
    assert_eq!(differs(149, &weeks, 1), Some(90));
    assert_eq!(differs(0, &weeks, 1), None);
    assert_eq!(differs(i64::MAX, &weeks, 1), Some(90));
    assert_eq!(differs(i64::MAX, &[i64::MIN; 4], 1), None, "twice the median does not fit and is not made up");
}

/// Apia had no 30 December 2011: a week before the 5th of January lies the
/// 29th, which is six rows up. Break tried: `weeks_before` without the check of dates.
#[test]
fn a_day_that_a_calendar_leaves_out_is_no_day() {
    let mut days = days_until("2012-01-10", 28);
    days.retain(|day| *day != date("2011-12-30"));
    let rows: Vec<DayRow> = days.iter().map(|day| calls(None, *day, i64::from(chrono::Datelike::day(day)))).collect();
    let trend = of_calls(&days, Some(days[0]), &rows);
    let on = |text: &str| trend.day_change[days.iter().position(|day| *day == date(text)).unwrap()];
    assert_eq!(on("2011-12-29"), Some(7.0 / 22.0));
    assert_eq!(on("2012-01-05"), None);
    assert_eq!(on("2012-01-06"), None, "a week before it there was no day");
    assert_eq!(on("2012-01-07"), Some((7.0 - 31.0) / 31.0));
}

#[test]
fn without_history_there_are_no_figures_and_without_days_no_trends() {
    let days = days_until("2026-03-14", 20);
    let none = trends(&days, None, &[]).unwrap();
    assert_eq!(none.days.len(), 20);
    assert!(none.metrics.iter().all(|m| m.values.iter().all(Option::is_none) && m.mean_7.iter().all(Option::is_none)));
    assert!(none.anomalies.is_empty() && none.agents.is_empty());
    assert_eq!(trends(&[], None, &[]).unwrap().days, Vec::<NaiveDate>::new());
}

/// Numbers that look random and are always the same.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Figures with a weekly rhythm, days without rows, and now and then a burst.
fn made_up(days: &[NaiveDate], agents: &[Uuid], random: &mut Lcg) -> Vec<DayRow> {
    let mut rows = Vec::new();
    for agent_id in std::iter::once(None).chain(agents.iter().copied().map(Some)) {
        for day in days {
            if random.below(9) == 0 {
                continue;
            }
            let weekday = 1 + u64::from(chrono::Datelike::weekday(day).num_days_from_monday());
            let burst = if random.below(25) == 0 { 1 + random.below(9) } else { 1 };
            let value = |scale: u64, random: &mut Lcg| {
                i64::try_from((weekday * 20 + random.below(15)) * burst * scale).unwrap()
            };
            let values = [1, 1, 1, 60, 1_234_567].map(|scale| value(scale, random));
            rows.push(DayRow { agent_id, date: *day, values });
        }
    }
    rows
}

type Known<'a> = &'a dyn Fn(NaiveDate) -> Option<i64>;

fn slow_mean(known: Known<'_>, day: NaiveDate, length: u64) -> Option<f64> {
    let values: Option<Vec<i64>> = (0..length).map(|back| known(day - Days::new(back))).collect();
    values.map(|v| v.iter().sum::<i64>() as f64 / length as f64)
}

fn slow_change(now: Option<i64>, before: Option<i64>) -> Option<f64> {
    let (now, before) = (now?, before.filter(|b| *b != 0)?);
    Some((now - before) as f64 / before as f64)
}

fn slow_sum(known: Known<'_>, day: NaiveDate) -> Option<i64> {
    (0..7).map(|back| known(day - Days::new(back))).sum()
}

fn slow_median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    f64::midpoint(values[last / 2], values[last.div_ceil(2)])
}

fn slow_unusual(known: Known<'_>, day: NaiveDate, least: i64) -> bool {
    let weeks: Vec<f64> = (1..=8).filter_map(|week| known(day - Days::new(7 * week))).map(|v| v as f64).collect();
    let Some(value) = known(day).filter(|_| weeks.len() >= 4) else { return false };
    let median = slow_median(weeks.clone());
    let mad = slow_median(weeks.iter().map(|w| (w - median).abs()).collect());
    let difference = (value as f64 - median).abs();
    difference >= least as f64 && 0.6745 * difference / mad.max(median / 10.0) > 3.5
}

/// Breaks tried: `.over` left out of `weeks_before` and the check of dates too
/// (an agent is held against another); windows of 6 and 8; `COMPARED_WEEKS` 7;
/// `week.shift(6)`.
#[test]
fn made_up_years_agree_with_a_slow_reckoning() {
    let mut flags = 0;
    for seed in 0..6 {
        let mut random = Lcg(seed);
        // Every other one with fewer days than the weeks before reach back.
        let days = days_until("2026-03-14", if seed % 2 == 0 { NEEDED_DAYS as u64 } else { 60 });
        let agents: Vec<Uuid> = (1..=5).map(Uuid::from_u128).collect();
        // Histories that begin within the days, for some.
        let begun = usize::try_from(random.below(days.len() as u64 / 2)).unwrap();
        let mut rows = made_up(&days[begun..], &agents, &mut random);
        let start = days[begun];
        let expected = trends(&days, Some(start), &rows).unwrap();
        rows.reverse();
        assert_eq!(trends(&days, Some(start), &rows).unwrap(), expected, "the order of rows is nothing");

        let by_key: BTreeMap<(Option<Uuid>, NaiveDate), [i64; METRIC_COUNT]> =
            rows.iter().map(|row| ((row.agent_id, row.date), row.values)).collect();
        let first = |agent: Option<Uuid>| match agent {
            None => start,
            Some(_) => by_key.keys().filter(|key| key.0 == agent).map(|key| key.1).min().unwrap(),
        };
        let known = |agent: Option<Uuid>, metric: usize, day: NaiveDate| -> Option<i64> {
            let exists = day >= first(agent) && day >= days[0];
            exists.then(|| by_key.get(&(agent, day)).map_or(0, |values| values[metric]))
        };
        for (metric, trend) in expected.metrics.iter().enumerate() {
            let of = |day: NaiveDate| known(None, metric, day);
            for (i, day) in expected.days.iter().enumerate() {
                let week_before = *day - Days::new(7);
                assert_eq!(trend.values[i], of(*day));
                assert_eq!(trend.mean_7[i], slow_mean(&of, *day, 7), "{day}");
                assert_eq!(trend.mean_28[i], slow_mean(&of, *day, 28), "{day}");
                assert_eq!(trend.day_change[i], slow_change(of(*day), of(week_before)), "{day}");
                assert_eq!(trend.week_change[i], slow_change(slow_sum(&of, *day), slow_sum(&of, week_before)), "{day}");
            }
        }
        let mut slow = BTreeSet::new();
        for agent in std::iter::once(None).chain(agents.iter().copied().map(Some)) {
            let looked_at = if agent.is_some() { AGENT_DAYS } else { SHOWN_DAYS };
            for metric in 0..METRIC_COUNT {
                let of = |day: NaiveDate| known(agent, metric, day);
                for day in &days[days.len().saturating_sub(looked_at)..] {
                    if slow_unusual(&of, *day, LEAST_DIFFERENCE[metric]) {
                        slow.insert((agent, *day, METRICS[metric]));
                    }
                }
            }
        }
        let of_agents = expected.agents.iter().flat_map(|(agent, list)| list.iter().map(|a| (Some(*agent), a)));
        let found: BTreeSet<_> = expected
            .anomalies
            .iter()
            .map(|a| (None, a))
            .chain(of_agents)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(agent, a)| (agent, a.date, a.metric))
            .collect();
        assert_eq!(found, slow);
        flags += found.len();
    }
    assert!(flags > 50, "enough bursts to tell: {flags}");
}
