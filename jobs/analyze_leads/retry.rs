//! When a request is made again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;

/// No answer makes us wait longer than this.
const LONGEST_AFTER: TimeDelta = TimeDelta::days(1);

/// What an endpoint says about when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Seconds(i64),
    At(DateTime<Utc>),
}

impl After {
    /// Reads `Retry-After`: seconds, or an HTTP date.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if let Ok(seconds) = value.parse::<u32>() {
            return Some(Self::Seconds(seconds.into()));
        }
        DateTime::parse_from_rfc2822(value).ok().map(|at| Self::At(at.to_utc()))
    }

    fn instant(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let at = match self {
            Self::Seconds(seconds) => now.checked_add_signed(TimeDelta::seconds(seconds)).unwrap_or(now),
            Self::At(at) => at,
        };
        at.min(now + LONGEST_AFTER)
    }
}

/// When the attempt after `attempts` begins: full jitter under a doubling bound, and
/// not before the endpoint wants it.
pub(super) fn not_before(
    now: DateTime<Utc>,
    attempts: i32,
    first: Duration,
    longest: Duration,
    after: Option<After>,
) -> DateTime<Utc> {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    let bound = first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest);
    let wait = bound.mul_f64(rand::rng().random_range(0.0..=1.0));
    let ours = now + TimeDelta::from_std(wait).unwrap_or_default();
    after.map_or(ours, |after| ours.max(after.instant(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_539_200, 0).unwrap()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(After::parse("120"), Some(After::Seconds(120)));
        let date = After::parse("Tue, 03 Mar 2026 12:05:00 GMT");
        assert_eq!(date, Some(After::At(noon() + TimeDelta::minutes(5))));
        for bad in ["", "soon", "-1", "1.5", "2026-03-03T12:05:00Z"] {
            assert_eq!(After::parse(bad), None, "{bad}");
        }
        assert_eq!(After::Seconds(i64::from(u32::MAX)).instant(noon()), noon() + LONGEST_AFTER);
    }

    /// Breaks tried: the bound left out of the wait; `min` for `max` with Retry-After.
    #[test]
    fn waits_are_spread_under_a_doubling_bound() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(10));
        for (attempts, bound) in [(1, 2), (2, 4), (3, 8), (4, 10), (30, 10)] {
            let waits: Vec<_> = (0..200).map(|_| not_before(noon(), attempts, first, longest, None) - noon()).collect();
            let bound = TimeDelta::seconds(bound);
            assert!(waits.iter().all(|wait| (TimeDelta::zero()..=bound).contains(wait)), "{attempts}");
            assert!(waits.iter().any(|wait| *wait > bound / 2) && waits.iter().any(|wait| *wait < bound / 2));
        }
        let asked = not_before(noon(), 1, first, longest, Some(After::Seconds(60)));
        assert_eq!(asked, noon() + TimeDelta::minutes(1));
    }
}
