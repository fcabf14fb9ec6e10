//! How long a bucket rests: after a recomputation, and after a failure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Failing buckets are tried again at least this often.
const LONGEST_REST_AFTER_FAILURE: Duration = Duration::from_secs(15 * 60);

/// A bucket rests for `cost_factor` times what its recomputation took, but not
/// less than `least`. So one bucket takes at most 1 / (1 + `cost_factor`) of a
/// worker, however often its calls change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    pub least: Duration,
    pub cost_factor: u32,
}

impl Debounce {
    /// Nothing rests.
    pub const NONE: Debounce = Debounce { least: Duration::ZERO, cost_factor: 0 };

    /// Until when each bucket of a transaction rests. What the transaction took
    /// since `began_at` is shared out by weight.
    pub(super) fn rest_until(&self, began_at: DateTime<Utc>, elapsed: Duration, weights: &[i64]) -> Vec<DateTime<Utc>> {
        let total = weights.iter().sum::<i64>().max(1) as f64;
        let ended_at = began_at + delta(elapsed);
        weights
            .iter()
            .map(|weight| {
                let cost = elapsed.mul_f64((*weight).max(0) as f64 / total);
                ended_at + delta(self.least.max(cost * self.cost_factor))
            })
            .collect()
    }
}

/// 2 s after the first failure, twice as long after each further one.
pub(super) fn rest_after_failures(failures: i32) -> Duration {
    let doublings = u32::try_from(failures).unwrap_or(0).min(20);
    Duration::from_secs(1 << doublings).min(LONGEST_REST_AFTER_FAILURE)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_rests_by_its_own_share_of_the_cost() {
        let debounce = Debounce { least: Duration::from_millis(200), cost_factor: 5 };
        let began_at = DateTime::<Utc>::UNIX_EPOCH;
        let rests = debounce.rest_until(began_at, Duration::from_secs(1), &[90, 9, 1]);
        let milliseconds: Vec<i64> = rests.iter().map(|at| (*at - began_at).num_milliseconds()).collect();
        assert_eq!(milliseconds, [1000 + 4500, 1000 + 450, 1000 + 200]);
        let none = Debounce::NONE.rest_until(began_at, Duration::from_secs(1), &[0]);
        assert_eq!(none, [began_at + TimeDelta::seconds(1)]);
    }

    #[test]
    fn rests_after_failures_double_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = [1, 2, 3, 9, 10, i32::MAX].map(|n| rest_after_failures(n).as_secs()).to_vec();
        assert_eq!(seconds, [2, 4, 8, 512, 900, 900]);
    }
}
