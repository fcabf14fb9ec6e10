//! What can go wrong between a provider and us.

use std::time::Duration;

use tallyline_queue::JobError;

/// Why a request, or a whole run over an account, failed. The texts hold nothing of
/// what was sent or answered.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the database could not be asked: {0}")]
    Database(#[from] sqlx::Error),
    /// The key is wrong or was taken back.
    #[error("the provider refuses the key: HTTP {0}")]
    Unauthorized(u16),
    #[error("the provider does not know it")]
    NotFound,
    #[error("the provider asks for a pause of {} s", .0.as_secs())]
    RateLimited(Duration),
    /// It may pass.
    #[error("the provider is away: {0}")]
    Unavailable(&'static str),
    #[error("the provider is away: HTTP {0}")]
    ServerError(u16),
    #[error("the answer is larger than is read")]
    TooLarge,
    #[error("the provider answers HTTP {0}")]
    Status(u16),
    #[error("the answer is not as documented: {0}")]
    Answer(&'static str),
    /// Page after page brought what the pages before had not.
    #[error("the list did not hold still")]
    Unstable,
    #[error("the sealed key cannot be opened")]
    KeyNotOpened,
}

impl Failure {
    /// As stored in `last_error`, and as a label.
    pub(super) fn code(&self) -> String {
        let name = match self {
            Self::Unauthorized(status) | Self::ServerError(status) | Self::Status(status) => {
                return format!("http_{status}");
            }
            Self::Database(_) => "database",
            Self::NotFound => "not_found",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable(code) | Self::Answer(code) => code,
            Self::TooLarge => "too_large",
            Self::Unstable => "unstable_list",
            Self::KeyNotOpened => "key_not_opened",
        };
        name.to_owned()
    }

    /// Whether trying the same request again soon may help.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited(_) | Self::Unavailable(_) | Self::ServerError(_))
    }

    /// Whether it concerns a list only: single executions can still be asked for.
    pub(super) fn is_of_the_list(&self) -> bool {
        matches!(self, Self::Unstable | Self::Answer(_) | Self::Status(_) | Self::TooLarge)
    }

    /// What is to become of the job. What the same request will meet again is not tried again.
    pub(super) fn into_job_error(self) -> JobError {
        match self {
            Self::RateLimited(pause) => JobError::retry_after(pause, self),
            Self::Status(_) | Self::Answer(_) | Self::KeyNotOpened => JobError::fatal(self),
            other => JobError::retry(other),
        }
    }
}
