//! Tells systemd that the process lives, as long as every loop of it turns.

use std::time::Duration;

use tallyline_queue::{Heartbeats, Silent};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::notify;

/// A loop that has not turned for so long stands still. The slowest turns every
/// second; a machine may be busy.
pub const STANDS_STILL: Duration = Duration::from_secs(60);

/// Time between two looks where systemd watches nothing.
const EVERY: Duration = Duration::from_secs(5);

/// The loop that stands still, if there is one.
#[must_use]
pub fn standing_still(heartbeats: &Heartbeats) -> Option<Silent> {
    heartbeats.most_silent().filter(|silent| silent.since >= STANDS_STILL)
}

/// Looks at the heartbeats until it is dropped.
#[derive(Debug)]
pub struct Watchdog(JoinHandle<()>);

impl Watchdog {
    /// Starts it. It runs on the runtime that it watches: where that stands still,
    /// nobody is told that all is well.
    #[must_use]
    pub fn start(heartbeats: Heartbeats) -> Self {
        Self(tokio::spawn(watch(heartbeats)))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(heartbeats: Heartbeats) {
    // Three signs of life in the time in which systemd expects one.
    let every = sd_notify::watchdog_enabled().map_or(EVERY, |limit| (limit / 3).min(EVERY));
    look(heartbeats, every, |silent| match silent {
        None => notify::alive(),
        Some(silent) => notify::status(&describe(silent)),
    })
    .await;
}

/// Tells after each look whether a loop stands still, and which.
async fn look(heartbeats: Heartbeats, every: Duration, tell: impl Fn(Option<&Silent>)) {
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let runtime = heartbeats.add("runtime");
    let mut stood_still = false;
    loop {
        ticks.tick().await;
        runtime.tick();
        let silent = standing_still(&heartbeats);
        if let Some(silent) = &silent
            && !stood_still
        {
            tracing::error!(r#loop = silent.name, since_seconds = silent.since.as_secs(), "a loop stands still");
        }
        stood_still = silent.is_some();
        tell(silent.as_ref());
    }
}

/// For people: which loop, for how long.
#[must_use]
pub fn describe(silent: &Silent) -> String {
    format!("{} has stood still for {} s", silent.name, silent.since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Break to try: told that all is well whatever the heartbeats say.
    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_ends_the_signs_of_life_until_it_turns_again() {
        let heartbeats = Heartbeats::new();
        let (turning, standing) = (heartbeats.add("turning"), heartbeats.add("standing"));
        let turning = tokio::spawn(turning.during(std::future::pending::<()>()));
        let told: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let writer = Arc::clone(&told);
        let looking = tokio::spawn(look(heartbeats, Duration::from_secs(5), move |silent| {
            writer.lock().unwrap().push(silent.map(|silent| silent.name.clone()));
        }));
        let since = |at: &mut usize| {
            let told = told.lock().unwrap();
            let new = told[*at..].to_vec();
            *at = told.len();
            new
        };
        let mut at = 0;
        tokio::time::sleep(Duration::from_secs(58)).await;
        assert!(since(&mut at).iter().all(Option::is_none));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(since(&mut at), vec![Some("standing".to_owned()); 4]);
        standing.tick();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(since(&mut at), vec![None; 4]);
        looking.abort();
        turning.abort();
    }
}
