//! The providers' statuses and what they come to.

/// A name that is none of the known ones of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind}")]
pub struct UnknownName {
    /// What kind of name was asked for, such as `outcome`.
    pub kind: &'static str,
}

/// Gives a field-less enum its stable names in text, SQL and JSON.
macro_rules! named {
    ($type:ident, $kind:literal, { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name, as stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::status::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::status::UnknownName { kind: $kind }),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

/// How far a status lies along the life of one attempt; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusClass {
    /// Not dialled yet. Unknown statuses rank here too: they never end a call.
    Waiting,
    /// Dialling, ringing or talking.
    Live,
    /// The line has dropped, the provider is still working on the result.
    SoftEnd,
    /// The attempt is over. Only a higher attempt can re-open the call.
    Terminal,
}

impl StatusClass {
    /// Class of a provider's status, compared verbatim: `COMPLETED` and
    /// `completed ` are unknown, hence [`StatusClass::Waiting`].
    pub fn of(status: &str) -> Self {
        match status {
            "initiated" | "ringing" | "in-progress" => Self::Live,
            "call-disconnected" => Self::SoftEnd,
            _ if Family::of(status).is_some() => Self::Terminal,
            _ => Self::Waiting,
        }
    }
}

/// Whether `status` is one that a provider documents.
pub fn is_known(status: &str) -> bool {
    let waits = matches!(status, "scheduled" | "prepared" | "queued" | "rescheduled");
    waits || StatusClass::of(status) != StatusClass::Waiting
}

/// Terminal statuses that mean the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Completed,
    NoAnswer,
    Busy,
    Failed,
    Cancelled,
}

impl Family {
    pub(crate) fn of(status: &str) -> Option<Self> {
        match status {
            "completed" => Some(Self::Completed),
            "no-answer" => Some(Self::NoAnswer),
            "busy" => Some(Self::Busy),
            "failed" | "error" | "balance-low" => Some(Self::Failed),
            "canceled" | "stopped" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// What became of a call. The outcomes partition all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A person talked.
    Answered,
    /// A machine took the call.
    Voicemail,
    /// Nobody picked up, or nothing was said.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// The call could not be made.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// Not over, as far as is known.
    InProgress,
}

named!(Outcome, "outcome", {
    Answered => "answered",
    Voicemail => "voicemail",
    NoAnswer => "no_answer",
    Busy => "busy",
    Failed => "failed",
    Cancelled => "cancelled",
    InProgress => "in_progress",
});

impl Outcome {
    /// The coarse status of the `calls` table: `completed`, `failed`,
    /// `cancelled` or `in_progress`.
    pub fn status(self) -> &'static str {
        match self {
            Self::Answered | Self::Voicemail => "completed",
            Self::NoAnswer | Self::Busy | Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::InProgress => "in_progress",
        }
    }

    /// Outcome of an attempt from its winning status and the evidence.
    pub(crate) fn decide(status: &str, is_voicemail: bool, talked: bool) -> Self {
        match Family::of(status) {
            None => Self::InProgress,
            Some(Family::Completed) if is_voicemail => Self::Voicemail,
            Some(Family::Completed) if talked => Self::Answered,
            Some(Family::Completed | Family::NoAnswer) => Self::NoAnswer,
            Some(Family::Busy) => Self::Busy,
            Some(Family::Failed) => Self::Failed,
            Some(Family::Cancelled) => Self::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_status_has_its_class() {
        use StatusClass::*;
        for (class, statuses) in [
            (Waiting, vec!["scheduled", "prepared", "queued", "rescheduled"]),
            (Live, vec!["initiated", "ringing", "in-progress"]),
            (SoftEnd, vec!["call-disconnected"]),
            (Terminal, vec!["completed", "no-answer", "busy", "failed", "error", "canceled", "stopped", "balance-low"]),
        ] {
            for status in statuses {
                assert_eq!(StatusClass::of(status), class, "{status}");
                assert!(is_known(status), "{status}");
            }
        }
    }

    #[test]
    fn unknown_statuses_never_end_a_call() {
        for status in ["dialing", "voicemail", "", "COMPLETED", "completed ", "cancelled", "in_progress", "42"] {
            assert_eq!(StatusClass::of(status), StatusClass::Waiting, "{status}");
            assert!(!is_known(status), "{status}");
            assert_eq!(Outcome::decide(status, true, true), Outcome::InProgress);
        }
    }

    #[test]
    fn outcomes_follow_the_table() {
        use Outcome::*;
        for (status, voicemail, talked, want, coarse) in [
            ("completed", false, true, Answered, "completed"),
            ("completed", true, true, Voicemail, "completed"),
            ("completed", true, false, Voicemail, "completed"),
            ("completed", false, false, NoAnswer, "failed"),
            ("no-answer", false, false, NoAnswer, "failed"),
            ("busy", true, false, Busy, "failed"),
            ("failed", false, true, Failed, "failed"),
            ("error", false, false, Failed, "failed"),
            ("balance-low", false, false, Failed, "failed"),
            ("canceled", false, false, Cancelled, "cancelled"),
            ("stopped", false, true, Cancelled, "cancelled"),
            ("call-disconnected", false, true, InProgress, "in_progress"),
            ("in-progress", false, true, InProgress, "in_progress"),
            ("queued", false, false, InProgress, "in_progress"),
        ] {
            let got = Outcome::decide(status, voicemail, talked);
            assert_eq!((got, got.status()), (want, coarse), "{status} {voicemail} {talked}");
        }
    }

    #[test]
    fn names_round_trip() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(*outcome));
        }
        assert!("Answered".parse::<Outcome>().is_err());
    }
}
