//! When calls begin: over the local day like people do, and on purpose where
//! buckets meet.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

use super::dice::Dice;
use crate::ledger::bucket::{date_start, local_date, offset_changes};

/// Room between the begin of the last call and now, so that all that follows
/// (retries, talk, late prices) lies in the past.
const ROOM_HOURS: i64 = 4;

/// Fractions of calls near a local midnight, a month's end, a change of offset.
const NEAR_MIDNIGHT: f64 = 0.06;
const NEAR_MONTH_END: f64 = 0.02;
const NEAR_OFFSET_CHANGE: f64 = 0.04;

/// Relative rate of each local hour: a hump before noon, one in the afternoon.
const HOURS: [f64; 24] = [
    0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 1.5, 4.0, 8.0, 10.0, 9.0, 6.0, 5.5, 8.0, 9.0, 8.5, 7.0, 4.5, 2.5, 1.5, 1.0, 0.6,
    0.4,
];

/// The days that a tenant's calls lie in.
pub(super) struct Window {
    zone: Tz,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    days: Vec<(f64, NaiveDate)>,
    midnights: Vec<DateTime<Utc>>,
    month_starts: Vec<DateTime<Utc>>,
    offset_changes: Vec<DateTime<Utc>>,
}

impl Window {
    pub(super) fn new(zone: Tz, now: DateTime<Utc>, days: u32) -> Self {
        let last = now - TimeDelta::hours(ROOM_HOURS);
        let today = local_date(zone, now);
        let dates: Vec<NaiveDate> =
            (0..=u64::from(days.max(1))).rev().filter_map(|back| today.checked_sub_days(Days::new(back))).collect();
        let midnights: Vec<DateTime<Utc>> = dates.iter().map(|date| date_start(zone, *date)).collect();
        let first = midnights.first().copied().unwrap_or(last);
        let months = dates.iter().zip(&midnights).filter(|(date, _)| date.day() == 1);
        Self {
            zone,
            first,
            last,
            month_starts: months.map(|(_, start)| *start).collect(),
            offset_changes: offset_changes(zone, first, last),
            days: dates.into_iter().map(|date| (weekday_factor(date), date)).collect(),
            midnights,
        }
    }

    /// An instant of the window, to the microsecond.
    pub(super) fn draw(&self, dice: &mut Dice) -> DateTime<Utc> {
        for _ in 0..32 {
            let drawn = self.candidate(dice);
            if let Some(at) = drawn.filter(|at| (self.first..=self.last).contains(at)) {
                return at;
            }
        }
        let micros = (self.last - self.first).num_microseconds().unwrap_or(0);
        self.first + TimeDelta::microseconds(dice.between(0, micros))
    }

    fn candidate(&self, dice: &mut Dice) -> Option<DateTime<Utc>> {
        let roll = dice.unit();
        let edges = if roll < NEAR_MIDNIGHT {
            &self.midnights
        } else if roll < NEAR_MIDNIGHT + NEAR_MONTH_END {
            &self.month_starts
        } else if roll < NEAR_MIDNIGHT + NEAR_MONTH_END + NEAR_OFFSET_CHANGE {
            &self.offset_changes
        } else {
            return self.by_the_day(dice);
        };
        if edges.is_empty() {
            return self.by_the_day(dice);
        }
        Some(dice.pick(edges) + around(dice))
    }

    fn by_the_day(&self, dice: &mut Dice) -> Option<DateTime<Utc>> {
        let date = dice.weighted(&self.days);
        let hours: [(f64, i64); 24] = std::array::from_fn(|hour| (HOURS[hour], hour as i64));
        let micros = dice.weighted(&hours) * 3_600_000_000 + dice.between(0, 3_599_999_999);
        let local = date.and_time(NaiveTime::MIN) + TimeDelta::microseconds(micros);
        // A time that the clock skipped is drawn again; of two, either may be meant.
        let meant = self.zone.from_local_datetime(&local);
        let chosen = if dice.chance(0.5) { meant.earliest() } else { meant.latest() };
        chosen.map(|at| at.with_timezone(&Utc))
    }
}

/// A distance from an edge: none, the smallest, or up to an hour.
fn around(dice: &mut Dice) -> TimeDelta {
    const CLOSE: [i64; 7] = [0, 1, -1, 1_000_000, -1_000_000, 59_000_000, -59_000_000];
    if dice.chance(0.4) {
        return TimeDelta::microseconds(dice.pick(&CLOSE));
    }
    TimeDelta::microseconds(dice.between(-3_600_000_000, 3_600_000_000))
}

fn weekday_factor(date: NaiveDate) -> f64 {
    match date.weekday() {
        Weekday::Sat => 0.35,
        Weekday::Sun => 0.2,
        Weekday::Mon => 1.1,
        _ => 1.0,
    }
}
