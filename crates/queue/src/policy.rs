//! What a schedule does where the clock, the past or an earlier job leaves a choice.

use std::{fmt, str::FromStr};

/// What becomes of fires that came due while no scheduler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// A fire more than a minute late is not made up for.
    Skip,
    /// However many were missed, one job makes up for all.
    Coalesce,
    /// Every one gets its job, oldest first, within the bounds of the schedule.
    CatchUp,
}

/// What becomes of a fire while the job of an earlier one still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// They run side by side.
    Allow,
    /// The fire is skipped.
    Skip,
    /// It runs after the other; more than one that waits are one.
    Queue,
}

/// What becomes of a local time that does not exist because the clocks go forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gap {
    /// It fires at the first instant after the gap.
    #[default]
    Next,
    /// It does not fire.
    Skip,
}

/// What becomes of a local time that comes twice because the clocks go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    /// Both times if the expression names more than one time of day, else the first.
    #[default]
    Auto,
    /// The first time only.
    First,
    /// The second time only.
    Second,
    /// Both times.
    Both,
}

/// A word that names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {word:?}, not {}", .words.join(", "))]
pub struct PolicyError {
    what: &'static str,
    word: String,
    words: &'static [&'static str],
}

/// The words of a policy, alike in configuration, table and output.
macro_rules! words {
    ($policy:ident, $what:literal, $($word:literal = $variant:ident),+) => {
        impl $policy {
            /// Every word that names one.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl FromStr for $policy {
            type Err = PolicyError;

            fn from_str(word: &str) -> Result<Self, PolicyError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(PolicyError { what: $what, word: word.to_owned(), words: Self::WORDS }),
                }
            }
        }

        impl fmt::Display for $policy {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Missed, "missed", "skip" = Skip, "coalesce" = Coalesce, "catch_up" = CatchUp);
words!(Overlap, "overlap", "allow" = Allow, "skip" = Skip, "queue" = Queue);
words!(Gap, "gap", "next" = Next, "skip" = Skip);
words!(Fold, "fold", "auto" = Auto, "first" = First, "second" = Second, "both" = Both);
