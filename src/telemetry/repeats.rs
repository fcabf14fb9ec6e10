//! Holds back log lines that say the same again and again, and says how many.
//!
//! A database that is away makes every request complain. The first lines of a
//! window are written, the others counted; after the window one line tells their
//! number. The counter of log messages counts them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Lines of one text that a window lets pass.
const PASSED: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Texts that are told apart; further ones pass.
const MAX_TEXTS: usize = 256;
/// How often it is looked for windows that have passed.
pub const LOOK: Duration = Duration::from_secs(10);

/// What was held back of one text.
#[derive(Debug, PartialEq, Eq)]
pub struct HeldBack {
    pub level: Level,
    pub text: String,
    pub lines: u32,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    level: Level,
    seen: u32,
}

/// Warnings and errors by their text. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Repeats(Arc<Mutex<HashMap<String, Window>>>);

impl Repeats {
    /// Whether a line of this text is to be written.
    fn admit(&self, level: Level, text: String, now: Instant) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = windows.len() >= MAX_TEXTS;
        match windows.entry(text) {
            Entry::Occupied(mut window) => {
                let window = window.get_mut();
                window.seen = window.seen.saturating_add(1);
                window.seen <= PASSED
            }
            Entry::Vacant(_) if is_full => true,
            Entry::Vacant(place) => {
                place.insert(Window { began: now, level, seen: 1 });
                true
            }
        }
    }

    /// Ends the windows that have passed; returns what they held back.
    fn take(&self, now: Instant) -> Vec<HeldBack> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = Vec::new();
        windows.retain(|text, window| {
            let is_open = now.duration_since(window.began) < WINDOW;
            if !is_open && window.seen > PASSED {
                held.push(HeldBack { level: window.level, text: text.clone(), lines: window.seen - PASSED });
            }
            is_open
        });
        held
    }

    /// Writes a line for each text of which lines were held back.
    pub fn tell(&self) {
        for HeldBack { level, text, lines } in self.take(Instant::now()) {
            if level == Level::ERROR {
                tracing::error!(held_back = lines, same_as = text, "lines of this text were held back");
            } else {
                tracing::warn!(held_back = lines, same_as = text, "lines of this text were held back");
            }
        }
    }
}

impl<S: Subscriber> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let level = *event.metadata().level();
        // What tells of others passes.
        if level > Level::WARN || event.fields().any(|field| field.name() == "held_back") {
            return true;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.admit(level, text.0, Instant::now())
    }
}

/// The message with its fields, without ids and numbers: two lines about different jobs say the same.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name if name == "id" || name.ends_with("_id") || name == "tenant" => Ok(()),
            name => write!(self.0, "{name}={value:?} "),
        };
    }

    fn record_i64(&mut self, _: &Field, _: i64) {}

    fn record_u64(&mut self, _: &Field, _: u64) {}

    fn record_f64(&mut self, _: &Field, _: f64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Break: with windows that are not taken away, the second window is silent.
    #[test]
    fn of_many_equal_lines_the_first_are_written_and_the_others_counted() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let line = |text: &str, seconds| repeats.admit(Level::WARN, text.to_owned(), at(seconds));
        let written = (0..20).filter(|_| line("no database", 1)).count();
        assert_eq!(written, 5);
        assert!(line("something else", 1));
        assert_eq!(repeats.take(at(30)), []);
        let held = HeldBack { level: Level::WARN, text: "no database".to_owned(), lines: 15 };
        assert_eq!(repeats.take(at(61)), [held]);
        assert!(line("no database", 62), "a new window");
        assert_eq!(repeats.take(at(200)), []);
    }

    #[test]
    fn texts_beyond_the_bound_are_all_written() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        for n in 0..MAX_TEXTS {
            assert!(repeats.admit(Level::ERROR, n.to_string(), now));
        }
        assert!((0..9).all(|_| repeats.admit(Level::ERROR, "one more".to_owned(), now)));
    }
}
