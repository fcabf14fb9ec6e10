//! What is wrong with a configuration: everything at once, each with its place.

use std::fmt;

use serde::Serialize;

use super::origin::Origin;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it was written; `None` for what several values come to together.
    pub origin: Option<Origin>,
    /// The key that it is about, such as `http.listen`; `None` when a file cannot be read at all.
    pub key: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// Of values, wherever they come from.
    pub(super) fn of_key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { origin: None, key: Some(key.into()), message: message.into() }
    }

    pub(super) fn at(origin: Origin, key: Option<&str>, message: impl Into<String>) -> Self {
        Problem { origin: Some(origin), key: key.map(str::to_owned), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        match &self.key {
            Some(key) => write!(f, "{key}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why the configuration cannot be used: every reason.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\nerror: "))]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}
