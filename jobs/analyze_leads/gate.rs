//! Whom not to ask for now: endpoints that are out of order, and tenants whose
//! endpoint wants a rest. Known to one process, and forgotten when it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::provider::{Outcome, Verdict};
use super::retry::After;

/// A tenant whose endpoint said "too many" without saying until when.
const REST: Duration = Duration::from_secs(1);
/// Longest rest; what is longer is kept with the work itself.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// When an endpoint is taken to be out of order, and for how long.
#[derive(Debug, Clone)]
pub struct BreakerOptions {
    /// Failures in a row.
    pub failures: u32,
    /// After this one request tries it.
    pub open_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One request is trying it.
    HalfOpen,
}

#[derive(Debug, Default)]
struct State {
    circuits: HashMap<String, Circuit>,
    resting: HashMap<Uuid, Instant>,
}

/// Shared by the units of a process.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    options: BreakerOptions,
    state: Arc<Mutex<State>>,
}

/// Leave to make one request. Dropped without its end it counts as a failure.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Gate,
    url: String,
    ended: bool,
}

impl Gate {
    pub(super) fn new(options: BreakerOptions) -> Self {
        Self { options, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Endpoints and tenants that are not to be asked now.
    pub(super) fn blocked(&self) -> (Vec<String>, Vec<Uuid>) {
        let now = Instant::now();
        let mut state = self.lock();
        state.resting.retain(|_, until| *until > now);
        let closed = |circuit: &Circuit| match circuit {
            Circuit::Closed { .. } => true,
            Circuit::Open { until } => *until <= now,
            Circuit::HalfOpen => false,
        };
        let urls = state.circuits.iter().filter(|(_, circuit)| !closed(circuit)).map(|(url, _)| url.clone());
        (urls.collect(), state.resting.keys().copied().collect())
    }

    /// Leave to ask `url`; none while it is out of order or being tried.
    pub(super) fn permit(&self, url: &str) -> Option<Permit> {
        let now = Instant::now();
        let mut state = self.lock();
        match state.circuits.get(url) {
            Some(Circuit::HalfOpen) => return None,
            Some(Circuit::Open { until }) if *until > now => return None,
            Some(Circuit::Open { .. }) => {
                state.circuits.insert(url.to_owned(), Circuit::HalfOpen);
            }
            Some(Circuit::Closed { .. }) | None => {}
        }
        Some(Permit { gate: self.clone(), url: url.to_owned(), ended: false })
    }

    fn ended(&self, url: &str, is_sound: bool) {
        let mut state = self.lock();
        let now = state.circuits.get(url).copied().unwrap_or(Circuit::Closed { failures: 0 });
        let next = match now {
            _ if is_sound => Circuit::Closed { failures: 0 },
            Circuit::Closed { failures } if failures + 1 < self.options.failures => {
                Circuit::Closed { failures: failures + 1 }
            }
            // Requests that were under way when it opened say nothing new.
            Circuit::Open { until } => Circuit::Open { until },
            _ => {
                metrics::counter!("tallyline_analysis_circuits_opened_total").increment(1);
                Circuit::Open { until: Instant::now() + self.options.open_for }
            }
        };
        if next == (Circuit::Closed { failures: 0 }) {
            state.circuits.remove(url);
        } else {
            state.circuits.insert(url.to_owned(), next);
        }
        let open = state.circuits.values().filter(|circuit| !matches!(circuit, Circuit::Closed { .. })).count();
        metrics::gauge!("tallyline_analysis_circuits_open").set(open as f64);
    }

    /// Leaves a tenant alone whose settings cannot be used.
    pub(super) fn rest_long(&self, user_id: Uuid) {
        self.lock().resting.insert(user_id, Instant::now() + LONGEST_REST);
    }

    fn rest(&self, user_id: Uuid, after: Option<After>) {
        let wait = match after {
            Some(After::Seconds(seconds)) => Duration::from_secs(seconds.unsigned_abs()).min(LONGEST_REST),
            Some(After::At(_)) | None => REST,
        };
        self.lock().resting.insert(user_id, Instant::now() + wait);
    }
}

impl Permit {
    /// Notes how the request ended.
    pub(super) fn end(mut self, user_id: Uuid, outcome: &Outcome) {
        self.ended = true;
        let verdict = outcome.result.as_ref().err().map(|failure| failure.verdict);
        self.gate.ended(&self.url, !matches!(verdict, Some(Verdict::Unreachable(_))));
        if let Err(failure) = &outcome.result
            && failure.code == "rate_limited"
            && let Verdict::Retry(after) = failure.verdict
        {
            self.gate.rest(user_id, after);
        }
    }

    /// Gives it back unused.
    pub(super) fn unused(mut self) {
        self.ended = true;
        let mut state = self.gate.lock();
        if state.circuits.get(&self.url) == Some(&Circuit::HalfOpen) {
            state.circuits.insert(self.url.clone(), Circuit::Open { until: Instant::now() });
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.gate.ended(&self.url, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::provider::Failure;
    use super::*;

    const URL: &str = "http://127.0.0.1:1/v1";

    fn gate() -> Gate {
        Gate::new(BreakerOptions { failures: 3, open_for: Duration::from_secs(30) })
    }

    fn outcome(verdict: Verdict, code: &'static str) -> Outcome {
        Outcome { result: Err(Failure::new(verdict, code, "")), usage: None }
    }

    fn fail(gate: &Gate) {
        gate.permit(URL).unwrap().end(Uuid::nil(), &outcome(Verdict::Unreachable(None), "unreachable"));
    }

    /// Breaks tried: `HalfOpen` let through by `permit`; a probe's failure counted as the first of three.
    #[tokio::test(start_paused = true)]
    async fn a_circuit_opens_is_tried_once_and_closes() {
        let gate = gate();
        fail(&gate);
        fail(&gate);
        gate.permit(URL).unwrap().end(Uuid::nil(), &outcome(Verdict::Fail, "bad_request"));
        for _ in 0..3 {
            assert_eq!(gate.blocked().0, Vec::<String>::new());
            fail(&gate);
        }
        assert_eq!(gate.blocked().0, [URL]);
        assert!(gate.permit(URL).is_none());

        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(gate.blocked().0, Vec::<String>::new());
        let probe = gate.permit(URL).unwrap();
        assert_eq!(gate.blocked().0, [URL]);
        assert!(gate.permit(URL).is_none(), "one tries");
        drop(probe);
        assert_eq!(gate.blocked().0, [URL], "whose process lost it, failed");

        tokio::time::advance(Duration::from_secs(30)).await;
        gate.permit(URL).unwrap().unused();
        let probe = gate.permit(URL).unwrap();
        probe.end(Uuid::nil(), &outcome(Verdict::Retry(None), "rate_limited"));
        fail(&gate);
        assert!(gate.permit(URL).is_some(), "closed again, counting anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_rests_as_long_as_its_endpoint_wants() {
        let gate = gate();
        let after = Verdict::Retry(Some(After::Seconds(7)));
        gate.permit(URL).unwrap().end(Uuid::nil(), &outcome(after, "rate_limited"));
        assert_eq!(gate.blocked(), (vec![], vec![Uuid::nil()]));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(gate.blocked().1, [Uuid::nil()]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gate.blocked().1, Vec::<Uuid>::new());
    }
}
