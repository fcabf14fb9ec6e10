//! How fast a provider may be asked.

use std::time::Duration;

use tokio::time::Instant;

/// Requests that may follow each other at once after a pause.
const BURST: f64 = 10.0;

/// A token bucket that keeps its promise for every minute, not on the average: what it
/// lets pass at once and what it refills in a minute are together the limit. It begins
/// empty, so that a run that follows another at once does not add a burst to its end.
#[derive(Debug)]
pub(super) struct Bucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    pub(super) fn new(requests_per_minute: u32, now: Instant) -> Self {
        let limit = f64::from(requests_per_minute.max(1));
        let burst = BURST.min(limit / 2.0).max(0.5);
        Self { burst, per_second: (limit - burst) / 60.0, tokens: 0.0, filled_at: now }
    }

    /// Takes one request's turn; how long to wait until then.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst) - 1.0;
        self.filled_at = self.filled_at.max(now);
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.per_second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` requests went, in virtual time, with a pause after every `pause_every`.
    async fn times(limit: u32, count: usize, pause_every: usize) -> Vec<Instant> {
        let mut bucket = Bucket::new(limit, Instant::now());
        let mut times = Vec::new();
        for request in 1..=count {
            tokio::time::sleep(bucket.take(Instant::now())).await;
            times.push(Instant::now());
            if request % pause_every == 0 {
                tokio::time::sleep(Duration::from_secs(7)).await;
            }
        }
        times
    }

    /// Breaks tried: `limit / 60.0` for the refill lets 66 pass in a minute where 60 may; a bucket
    /// that begins full lets 65 pass where two runs follow each other.
    #[tokio::test(start_paused = true)]
    async fn no_minute_sees_more_than_the_limit() {
        for limit in [1, 7, 60, 500] {
            for pause_every in [23, usize::MAX] {
                let mut all = times(limit, 3 * limit as usize, pause_every).await;
                all.extend(times(limit, 3 * limit as usize, pause_every).await);
                let minute = Duration::from_secs(60);
                let most = (0..all.len()).map(|i| all[i..].iter().take_while(|t| **t - all[i] < minute).count()).max();
                assert!(most.is_some_and(|most| most <= limit as usize), "{most:?} in a minute where {limit} may be");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nearly_the_limit_is_used() {
        let times = times(500, 1500, usize::MAX).await;
        let took = times[1499] - times[0];
        assert!(took < Duration::from_secs(190), "{took:?}");
    }
}
