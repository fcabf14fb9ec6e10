//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// The layer that a value came from, the weakest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in, from `config.toml`.
    Default,
    /// The configuration file; the line where that is known.
    File { path: PathBuf, line: Option<usize> },
    /// A variable of the environment.
    Variable(String),
    /// A file that a variable with `_FILE` at its end names.
    SecretFile { variable: String, path: PathBuf },
    /// An option of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Origin::File { path, line: None } => write!(f, "{}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::SecretFile { variable, path } => write!(f, "{} ({variable})", path.display()),
            Origin::Flag(flag) => write!(f, "option {flag}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
