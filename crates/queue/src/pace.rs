//! How long to wait: between polls that find nothing, and between attempts.

use std::time::Duration;

/// Doubles from a least to a greatest delay, with jitter so that processes
/// which started together do not stay in step.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    least: Duration,
    greatest: Duration,
    next: Duration,
}

impl Pace {
    pub(crate) const fn new(least: Duration, greatest: Duration) -> Self {
        Self { least, greatest, next: least }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.least;
    }

    /// The next delay: 75 to 100 % of a value that doubles with every call.
    pub(crate) fn step(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.greatest);
        delay.mul_f64(0.75 + 0.25 * rand::random::<f64>())
    }
}

/// When a failed attempt is tried again: full jitter below an exponential bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Bound after the first failure.
    pub base: Duration,
    /// Largest bound.
    pub cap: Duration,
}

impl Backoff {
    /// 1 s, doubling up to 10 minutes.
    pub const DEFAULT: Self = Self { base: Duration::from_secs(1), cap: Duration::from_secs(600) };

    /// The bound after attempt number `attempt` (1 is the first) failed.
    #[must_use]
    pub fn bound(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(31);
        self.base.saturating_mul(1_u32 << doublings).min(self.cap)
    }

    /// A delay drawn evenly between zero and the bound, both possible.
    ///
    /// `draw` is in `[0, 1]`.
    #[must_use]
    pub fn delay(&self, attempt: i32, draw: f64) -> Duration {
        self.bound(attempt).mul_f64(draw.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_cap() {
        let backoff = Backoff::DEFAULT;
        let seconds: Vec<u64> = (1..=12).map(|attempt| backoff.bound(attempt).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(backoff.bound(i32::MAX), Duration::from_secs(600));
        assert_eq!(backoff.delay(4, 0.5), Duration::from_secs(4));
    }

    #[test]
    fn a_pace_grows_and_falls_back() {
        let mut pace = Pace::new(Duration::from_millis(50), Duration::from_secs(1));
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            last = pace.step();
        }
        assert!(last > Duration::from_millis(700) && last <= Duration::from_secs(1), "{last:?}");
        pace.reset();
        assert!(pace.step() <= Duration::from_millis(50));
    }
}
