//! Unix cron expressions in a time zone.
//!
//! Five fields are translated for the `cron` crate, which iterates over naive
//! local times only; the way from local times to instants is ours. The crate's
//! own iteration over zones drops times in the gap of spring, fires daily times
//! twice in autumn, and out of order.

use std::{fmt, str::FromStr};

use ::cron::Schedule;
use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use crate::{
    cron_field::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH},
    policy::{Fold, Gap},
};

/// No fold is longer than this, save for changes of the date line.
const LONGEST_FOLD: Duration = Duration::hours(3);

/// No gap is longer than this; Samoa once left out a whole day.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

/// A cron expression in a zone, with its policies for the turns of the clock:
/// [`Gap`] for local times that do not exist, [`Fold`] for those that come twice.
#[derive(Clone)]
pub struct Cron {
    /// One schedule, or two of which either may match: day of month or day of week.
    schedules: Vec<Schedule>,
    /// At most one time of day.
    daily: bool,
    zone: Tz,
    gap: Gap,
    fold: Fold,
}

/// Why an expression or a zone is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(String);

impl Cron {
    /// Reads five fields: minute, hour, day of month, month, day of week; or
    /// `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`.
    ///
    /// Lists, ranges, steps, English names of months and days; 0 and 7 are
    /// Sunday. If both day fields are restricted, either matching is enough.
    ///
    /// # Errors
    /// [`CronError`] names the field and what is wrong with it.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, CronError> {
        let zone = Tz::from_str(zone).map_err(|_| CronError(format!("unknown time zone {zone:?}")))?;
        let fields: Vec<&str> = long_form(expression.trim()).split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError(format!("{expression:?} has {} fields, five are needed", fields.len())));
        };
        let minute = MINUTE.parse(minute).map_err(CronError)?;
        let hour = HOUR.parse(hour).map_err(CronError)?;
        let day = DAY_OF_MONTH.parse(day).map_err(CronError)?;
        let month = MONTH.parse(month).map_err(CronError)?;
        let weekday = DAY_OF_WEEK.parse(weekday).map_err(CronError)?;

        let daily = minute.values.len() * hour.values.len() <= 1;
        let time = format!("0 {} {}", minute.list(same), hour.list(same));
        let months = month.list(same);
        let schedule = |days: &str, weekdays: &str| {
            Schedule::from_str(&format!("{time} {days} {months} {weekdays}"))
                .map_err(|error| CronError(format!("{expression:?}: {error}")))
        };
        let (days, weekdays) = (day.list(same), sunday_is_one(&weekday));
        let schedules = if day.starred || weekday.starred {
            vec![schedule(&days, &weekdays)?]
        } else {
            vec![schedule(&days, "*")?, schedule("*", &weekdays)?]
        };
        Ok(Self { schedules, daily, zone, gap: Gap::default(), fold: Fold::default() })
    }

    /// Sets the policy for local times that do not exist.
    #[must_use]
    pub const fn gap(mut self, gap: Gap) -> Self {
        self.gap = gap;
        self
    }

    /// Sets the policy for local times that come twice.
    #[must_use]
    pub const fn fold(mut self, fold: Fold) -> Self {
        self.fold = fold;
        self
    }

    /// The first fire after an instant; `None` when there will be none.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.zone).naive_local();
        // Local times up to now come again if the clocks are about to go back.
        let again = self.clocks_go_back_soon(after).then(|| self.fires_again(local, after)).flatten();
        // The first later one that fires is earlier than all that follow it, or as
        // early: times in a gap fall together at its end. Some do not fire: those of
        // a gap that is skipped, and in the second pass those of the first.
        let mut later = std::iter::successors(self.next_local(local), |time| self.next_local(*time));
        let next = later.find_map(|time| self.instants(time).into_iter().flatten().find(|at| *at > after));
        match (again, next) {
            (Some(again), Some(next)) => Some(again.min(next)),
            (again, next) => again.or(next),
        }
    }

    /// All fires after one instant and up to another, in order.
    pub fn fires(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last)).take_while(move |at| *at <= until)
    }

    /// The `nth` fire, counted back from the last, of those after one instant and
    /// up to another; `None` when there are fewer. Costs about twice `nth` fires,
    /// however long ago the first instant was.
    #[must_use]
    pub fn nth_last(&self, nth: usize, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut span = Duration::hours(1);
        loop {
            let from = until.checked_sub_signed(span).unwrap_or(after).max(after);
            let fires: Vec<_> = self.fires(from, until).collect();
            if fires.len() >= nth || from == after {
                return fires.len().checked_sub(nth).and_then(|position| fires.get(position)).copied();
            }
            span = span * 2;
        }
    }

    fn clocks_go_back_soon(&self, after: DateTime<Utc>) -> bool {
        let offset = |at: DateTime<Utc>| at.with_timezone(&self.zone).offset().fix().local_minus_utc();
        offset(after + LONGEST_FOLD) < offset(after)
    }

    /// The first second coming, after an instant, of a local time that has been.
    fn fires_again(&self, local: NaiveDateTime, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut time = local - LONGEST_FOLD;
        let mut first = None;
        while let Some(candidate) = self.next_local(time).filter(|candidate| *candidate <= local) {
            let coming = self.instants(candidate).into_iter().flatten().find(|at| *at > after);
            first = [first, coming].into_iter().flatten().min();
            time = candidate;
        }
        first
    }

    fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = Utc.from_utc_datetime(&after);
        self.schedules.iter().filter_map(|schedule| schedule.after(&after).next()).map(|at| at.naive_utc()).min()
    }

    /// The instants at which a local time fires, in order.
    fn instants(&self, local: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        let fold = match self.fold {
            Fold::Auto if self.daily => Fold::First,
            Fold::Auto => Fold::Both,
            chosen => chosen,
        };
        match (self.zone.from_local_datetime(&local), fold) {
            (MappedLocalTime::Single(at), _)
            | (MappedLocalTime::Ambiguous(at, _), Fold::First)
            | (MappedLocalTime::Ambiguous(_, at), Fold::Second) => [Some(at.to_utc()), None],
            (MappedLocalTime::Ambiguous(first, second), _) => [Some(first.to_utc()), Some(second.to_utc())],
            (MappedLocalTime::None, _) if self.gap == Gap::Skip => [None, None],
            (MappedLocalTime::None, _) => [self.end_of_gap(local), None],
        }
    }

    fn end_of_gap(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        (1..=LONGEST_GAP_MINUTES)
            .find_map(|minutes| self.zone.from_local_datetime(&(local + Duration::minutes(minutes))).earliest())
            .map(|at| at.to_utc())
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.schedules.iter().map(Schedule::source).collect();
        f.debug_struct("Cron")
            .field("schedules", &sources)
            .field("zone", &self.zone.name())
            .field("gap", &self.gap)
            .field("fold", &self.fold)
            .finish_non_exhaustive()
    }
}

fn long_form(expression: &str) -> &str {
    match expression {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    }
}

const fn same(value: u32) -> u32 {
    value
}

/// The crate counts days of the week from Sunday = 1.
fn sunday_is_one(weekday: &Field) -> String {
    weekday.list(|day| day % 7 + 1)
}
