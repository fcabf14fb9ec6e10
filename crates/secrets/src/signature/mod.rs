//! Proofs that a request comes from the provider: pure functions over bytes.

pub mod standard;
pub mod twilio;

/// Which of an endpoint's keys a request was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedKey {
    /// The key that is shown as the endpoint's own.
    Current,
    /// The key before the last rotation, still accepted for a while.
    Previous,
}

impl MatchedKey {
    /// As kept with the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }

    /// Looks at every key before it answers, so that the time taken does not
    /// tell which one matched. The first key is the current one.
    pub fn first(keys: &[Vec<u8>], mut matches: impl FnMut(&[u8]) -> bool) -> Option<Self> {
        let mut found = None;
        for (position, key) in keys.iter().enumerate() {
            if matches(key) && found.is_none() {
                found = Some(if position == 0 { Self::Current } else { Self::Previous });
            }
        }
        found
    }
}
