//! Which stretches of time are checked, one after the other.

use tallyline_history::{Calendar, Grain};

/// A stretch of time that is checked at once, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    /// Exclusive.
    pub(super) to: i64,
    /// Whether it is a whole month, whose own rows can be checked too.
    pub(super) whole_month: bool,
}

/// Cuts the time from the first to the last of the tenant's rows into local
/// months, kept inside `from` and `to` widened to local days. Time outside the
/// calendar comes in stretches of its own.
pub(super) fn months(calendar: &Calendar, extent: (i64, i64), from: Option<i64>, to: Option<i64>) -> Vec<Stretch> {
    let mut start = floor(calendar, Grain::Month, extent.0);
    let mut end = ceiling(calendar, Grain::Month, extent.1.saturating_add(1));
    if let Some(from) = from {
        start = start.max(floor(calendar, Grain::Day, from));
    }
    if let Some(to) = to {
        end = end.min(ceiling(calendar, Grain::Day, to));
    }
    let mut stretches = Vec::new();
    let mut reached = start;
    for month in calendar.months().iter().filter(|m| m.end_micros > start && m.start_micros < end) {
        if reached < month.start_micros {
            stretches.push(Stretch { from: reached, to: month.start_micros, whole_month: false });
        }
        let (from, to) = (month.start_micros.max(start), month.end_micros.min(end));
        let whole_month = from == month.start_micros && to == month.end_micros;
        stretches.push(Stretch { from, to, whole_month });
        reached = to;
    }
    if reached < end {
        stretches.push(Stretch { from: reached, to: end, whole_month: false });
    }
    stretches
}

/// Cuts a stretch at local midnights into about as many parts as are needed to
/// hold at most `calls_at_once` of its `calls` each.
pub(super) fn days(calendar: &Calendar, stretch: Stretch, calls: i64, calls_at_once: i64) -> Vec<(i64, i64)> {
    let parts = calls.max(1).div_euclid(calls_at_once.max(1)).saturating_add(1);
    let inside = |start: &i64| stretch.from < *start && *start < stretch.to;
    let midnights: Vec<i64> = calendar.days().iter().map(|day| day.start_micros).filter(inside).collect();
    let days = midnights.len().saturating_add(1);
    let days_each = usize::try_from(parts).map_or(1, |parts| days.div_euclid(parts).max(1));
    let mut cuts = Vec::new();
    let mut from = stretch.from;
    for midnight in midnights.into_iter().skip(days_each - 1).step_by(days_each) {
        cuts.push((from, midnight));
        from = midnight;
    }
    cuts.push((from, stretch.to));
    cuts
}

/// Start of the bucket that holds the instant; of its quarter outside the calendar.
fn floor(calendar: &Calendar, grain: Grain, instant: i64) -> i64 {
    let bucket = calendar.bucket(grain, instant).or_else(|| calendar.bucket(Grain::Quarter, instant));
    bucket.map_or(instant, |b| b.start_micros)
}

/// The first start of a bucket that is not before the instant.
fn ceiling(calendar: &Calendar, grain: Grain, instant: i64) -> i64 {
    let bucket = calendar.bucket(grain, instant).or_else(|| calendar.bucket(Grain::Quarter, instant));
    bucket.map_or(instant, |b| if b.start_micros == instant { instant } else { b.end_micros })
}

#[cfg(test)]
mod tests {
    use tallyline_history::{LocalBucket, OffsetPeriod};

    use super::*;

    const DAY: i64 = 86_400_000_000;

    /// Two months of three and two days, from the epoch on.
    fn calendar() -> Calendar {
        let bucket = |from: i64, to: i64| LocalBucket {
            start_micros: from * DAY,
            end_micros: to * DAY,
            date: chrono::NaiveDate::default(),
            hour: None,
        };
        let offsets = vec![OffsetPeriod { start_micros: 0, end_micros: 5 * DAY, offset_micros: 0 }];
        let days = (0..5).map(|day| bucket(day, day + 1)).collect();
        Calendar::new("UTC", offsets, days, vec![bucket(0, 3), bucket(3, 5)]).unwrap()
    }

    fn stretch(from: i64, to: i64, whole_month: bool) -> Stretch {
        Stretch { from: from * DAY, to: to * DAY, whole_month }
    }

    #[test]
    fn without_bounds_whole_months_are_checked() {
        let found = months(&calendar(), (DAY + 5, 3 * DAY), None, None);
        assert_eq!(found, [stretch(0, 3, true), stretch(3, 5, true)]);
        let found = months(&calendar(), (DAY + 5, 3 * DAY - 1), None, None);
        assert_eq!(found, [stretch(0, 3, true)]);
    }

    #[test]
    fn bounds_are_widened_to_days_and_leave_months_out() {
        let found = months(&calendar(), (0, 5 * DAY - 1), Some(DAY + 1), Some(3 * DAY + 1));
        assert_eq!(found, [stretch(1, 3, false), stretch(3, 4, false)]);
        let found = months(&calendar(), (0, 5 * DAY - 1), Some(3 * DAY), None);
        assert_eq!(found, [stretch(3, 5, true)]);
        assert_eq!(months(&calendar(), (0, 0), Some(4 * DAY), None), []);
    }

    #[test]
    fn time_outside_the_calendar_is_not_left_out() {
        let quarter = DAY / 96;
        let found = months(&calendar(), (-1, 6 * DAY), None, None);
        let before = Stretch { from: -quarter, to: 0, whole_month: false };
        let after = Stretch { from: 5 * DAY, to: 6 * DAY + quarter, whole_month: false };
        assert_eq!(found, [before, stretch(0, 3, true), stretch(3, 5, true), after]);
    }

    #[test]
    fn a_month_with_many_calls_is_cut_at_midnights_without_gaps() {
        let month = stretch(0, 3, true);
        assert_eq!(days(&calendar(), month, 10, 100), [(0, 3 * DAY)]);
        assert_eq!(days(&calendar(), month, 250, 100), [(0, DAY), (DAY, 2 * DAY), (2 * DAY, 3 * DAY)]);
        assert_eq!(days(&calendar(), month, i64::MAX, 1).len(), 3);
        assert_eq!(days(&calendar(), stretch(7, 9, false), 250, 100), [(7 * DAY, 9 * DAY)]);
    }
}
