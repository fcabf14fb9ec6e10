//! Whether the loops of a process still turn.
//!
//! A loop has a [`Beat`] and tells it of each turn. Whoever watches asks which
//! loop has been silent for longest. Nothing here asks a database: a loop that
//! waits for one turns.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior};

/// Time between two turns of a loop that has nothing to do.
pub const BEAT: Duration = Duration::from_secs(1);

/// The loops of one process.
#[derive(Debug, Clone)]
pub struct Heartbeats {
    began: Instant,
    loops: Arc<Mutex<Vec<Beat>>>,
}

/// A loop that has been silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Name of the loop.
    pub name: String,
    /// Time since its last turn.
    pub since: Duration,
}

impl Heartbeats {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), loops: Arc::default() }
    }

    /// A loop that is to turn from now on at least every few seconds, until its
    /// beat [ends](Beat::end).
    pub fn add(&self, name: impl Into<String>) -> Beat {
        let beat =
            Beat { name: Arc::from(name.into()), began: self.began, last_ms: Arc::default(), turns: Arc::default() };
        beat.tick();
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).push(beat.clone());
        beat
    }

    /// The loop whose last turn is longest ago; none while there is no loop.
    #[must_use]
    pub fn most_silent(&self) -> Option<Silent> {
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let turning = loops.iter().filter_map(|beat| Some((beat.silent_for()?, beat)));
        let (since, beat) = turning.max_by_key(|(since, _)| *since)?;
        Some(Silent { name: beat.name.to_string(), since })
    }

    /// Each loop with the number of its turns so far.
    #[must_use]
    pub fn turns(&self) -> Vec<(String, u64)> {
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.iter().map(|beat| (beat.name.to_string(), beat.turns.load(Ordering::Relaxed))).collect()
    }
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self::new()
    }
}

/// `last_ms` of a loop that ended as it should.
const ENDED: u64 = u64::MAX;

/// One loop's sign of life.
#[derive(Debug, Clone)]
pub struct Beat {
    name: Arc<str>,
    began: Instant,
    last_ms: Arc<AtomicU64>,
    turns: Arc<AtomicU64>,
}

impl Beat {
    /// The loop turned.
    pub fn tick(&self) {
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// The loop ended as it should, and is watched no more. One that panicked
    /// does not come here, and falls silent.
    pub fn end(self) {
        self.last_ms.store(ENDED, Ordering::Relaxed);
    }

    /// Ticks while `work` gets its turns, at least every second, and ends with it.
    /// For loops that wait for a database: whether their task lives is what can
    /// be known.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut ticks = tokio::time::interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.end();
                    return done;
                }
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn silent_for(&self) -> Option<Duration> {
        let last = self.last_ms.load(Ordering::Relaxed);
        (last != ENDED).then(|| Duration::from_millis(self.now_ms().saturating_sub(last)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(ENDED - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks to try: `end` left out of `during`; the tick of `during` left out.
    #[tokio::test(start_paused = true)]
    async fn the_most_silent_loop_is_named_and_one_that_ended_is_not() {
        let beats = Heartbeats::new();
        assert_eq!(beats.most_silent(), None);
        let (turning, standing, ending) = (beats.add("turning"), beats.add("standing"), beats.add("ending"));
        let waits = tokio::spawn(turning.during(std::future::pending::<()>()));
        ending.during(async {}).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(beats.most_silent(), Some(Silent { name: "standing".to_owned(), since: Duration::from_secs(30) }));
        standing.end();
        let silent = beats.most_silent().unwrap();
        assert!(silent.name == "turning" && silent.since <= BEAT, "{silent:?}");
        waits.abort();
    }

    /// Break to try: the beat ended by a guard when it is dropped.
    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panicked_falls_silent() {
        let beats = Heartbeats::new();
        let beat = beats.add("panics");
        let panicked = tokio::spawn(beat.during(async { panic!("on purpose") })).await;
        assert!(panicked.is_err());
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(beats.most_silent().unwrap().since, Duration::from_secs(61));
    }
}
