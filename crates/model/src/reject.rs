//! Why a body cannot become an event.

/// A body that no event can be made of. Neither the reason nor the message holds
/// anything of the payload, so both may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Not one well-formed JSON text in UTF-8, nested at most 127 deep.
    #[error("the body is not well-formed JSON")]
    NotJson,
    /// JSON, but not an object.
    #[error("the body is JSON but not an object")]
    NotAnObject,
    /// No execution id, or no call sid.
    #[error("the body names no call")]
    NoId,
    /// An id that is too long, holds a NUL or is neither text nor an integer.
    #[error("the id is not usable: at most 128 characters of text, or an integer")]
    BadId,
    /// `id`, `execution_id` and `call_id` disagree.
    #[error("the body holds two different ids")]
    IdMismatch,
    /// A key that occurs twice; named only if it is a known one, else `other`.
    #[error("the key {0} occurs twice")]
    DuplicateKey(String),
    /// A `CallSid` or `ParentCallSid` that is not `CA` and 32 hex digits.
    #[error("a CallSid is not CA and 32 hex digits")]
    BadSid,
    /// A callback of another kind: recordings, workflows.
    #[error("the body is not the status of a call")]
    NotACallStatus,
    /// An analysis other than of one call.
    #[error("the analysis is not of type individual")]
    NotIndividual,
    /// An analysis without its object.
    #[error("the analysis holds no object")]
    NoAnalysis,
}

impl Reject {
    /// The stable snake_case name, as kept with a quarantined body.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NoId => "no_id",
            Self::BadId => "bad_id",
            Self::IdMismatch => "id_mismatch",
            Self::DuplicateKey(_) => "duplicate_key",
            Self::BadSid => "bad_sid",
            Self::NotACallStatus => "not_a_call_status",
            Self::NotIndividual => "not_individual",
            Self::NoAnalysis => "no_analysis",
        }
    }
}
