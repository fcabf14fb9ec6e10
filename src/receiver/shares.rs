//! What one tenant may take of the receiver, so that the others keep theirs:
//! requests a second, and requests under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::config::{Live, RequestLimits};

/// Tenants that are remembered before those that have everything left are forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// The limits of one tenant; 0 means none.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub in_flight: usize,
    pub per_second: u32,
    pub burst: u32,
}

impl Limits {
    fn burst(&self) -> f64 {
        f64::from(self.burst.max(1))
    }

    fn tokens(&self, share: &Share, now: Instant) -> f64 {
        let since = now.saturating_duration_since(share.filled_at).as_secs_f64();
        (share.tokens + since * f64::from(self.per_second)).min(self.burst())
    }
}

impl From<RequestLimits> for Limits {
    fn from(limits: RequestLimits) -> Self {
        Limits {
            in_flight: limits.max_in_flight_per_tenant,
            per_second: limits.tenant_requests_per_second,
            burst: limits.tenant_burst_requests,
        }
    }
}

/// Why a tenant has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has sent too many; the next one may come after this.
    Rate(Duration),
    /// Too many of its requests are under way.
    InFlight,
}

/// What each tenant has left, in memory: a restart gives everybody everything.
#[derive(Debug)]
pub struct Shares {
    started_with: Limits,
    live: Live,
    tenants: Mutex<HashMap<Uuid, Share>>,
}

#[derive(Debug, Clone, Copy)]
struct Share {
    in_flight: usize,
    /// Requests that may come now; filled up as time goes on.
    tokens: f64,
    filled_at: Instant,
}

/// A request under way; its place is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    shares: Arc<Shares>,
    user_id: Uuid,
}

impl Shares {
    pub fn new(started_with: Limits, live: Live) -> Arc<Self> {
        Arc::new(Self { started_with, live, tenants: Mutex::default() })
    }

    /// Takes a request of the tenant in. One that is refused takes nothing.
    ///
    /// # Errors
    /// When the tenant has used up its share.
    pub fn admit(self: &Arc<Self>, user_id: Uuid) -> Result<Place, Refusal> {
        let now = Instant::now();
        let limits = self.live.current().map_or(self.started_with, Limits::from);
        let mut tenants = self.lock();
        if tenants.len() >= MAX_REMEMBERED && !tenants.contains_key(&user_id) {
            tenants.retain(|_, share| share.in_flight > 0 || limits.tokens(share, now) < limits.burst());
        }
        let fresh = Share { in_flight: 0, tokens: limits.burst(), filled_at: now };
        let share = tenants.entry(user_id).or_insert(fresh);
        share.tokens = limits.tokens(share, now);
        share.filled_at = now;
        if limits.in_flight > 0 && share.in_flight >= limits.in_flight {
            return Err(Refusal::InFlight);
        }
        if limits.per_second > 0 {
            if share.tokens < 1.0 {
                let seconds = (1.0 - share.tokens) / f64::from(limits.per_second);
                return Err(Refusal::Rate(Duration::from_secs_f64(seconds)));
            }
            share.tokens -= 1.0;
        }
        share.in_flight += 1;
        Ok(Place { shares: Arc::clone(self), user_id })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Share>> {
        // Whoever panicked while holding it left counts that are whole.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(share) = self.shares.lock().get_mut(&self.user_id) {
            share.in_flight = share.in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    /// Breaks tried: a bucket that fills beyond its burst; a refusal that takes a token.
    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills_again_for_its_tenant_only() {
        let shares = Shares::new(Limits { in_flight: 0, per_second: 4, burst: 3 }, Live::default());
        let all = |user_id| (0..10).map(|_| shares.admit(user_id).is_ok()).filter(|ok| *ok).count();
        assert_eq!(all(A), 3);
        assert_eq!(shares.admit(A).unwrap_err(), Refusal::Rate(Duration::from_millis(250)));
        assert_eq!(all(B), 3, "another tenant has its own");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(all(A), 2);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(all(A), 3);
    }

    #[tokio::test]
    async fn places_are_free_again_when_their_requests_end() {
        let shares = Shares::new(Limits { in_flight: 2, per_second: 0, burst: 0 }, Live::default());
        let (first, _second) = (shares.admit(A).unwrap(), shares.admit(A).unwrap());
        assert_eq!(shares.admit(A).unwrap_err(), Refusal::InFlight);
        assert!(shares.admit(B).is_ok());
        drop(first);
        assert!(shares.admit(A).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_that_have_everything_left_are_forgotten() {
        let shares = Shares::new(Limits { in_flight: 1, per_second: 1, burst: 1 }, Live::default());
        let _busy = shares.admit(A).unwrap();
        for n in 0..2 * MAX_REMEMBERED as u128 {
            if n == MAX_REMEMBERED as u128 {
                tokio::time::advance(Duration::from_secs(2)).await;
            }
            drop(shares.admit(Uuid::from_u128(1_000 + n)).unwrap());
        }
        let remembered = shares.lock().len();
        assert!(remembered <= MAX_REMEMBERED + 1, "{remembered}");
        assert_eq!(shares.admit(A).unwrap_err(), Refusal::InFlight, "who is at work is remembered");
    }
}
