//! Why a tenant could not be made or changed.

use tallyline_secrets::SealingError;

/// Errors of this area; each says what to do differently.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    #[error("another tenant has the e-mail address {0}")]
    DuplicateEmail(String),
    #[error("{0:?} is not an IANA time zone; use a name such as Asia/Kolkata or America/New_York")]
    UnknownZone(String),
    #[error("no such tenant")]
    UnknownTenant,
    #[error("the tenant has an agent with the id {0:?} already")]
    DuplicateAgent(String),
    #[error("the tenant has no endpoint for {0}")]
    NoEndpoint(&'static str),
    #[error("the tenant has no such contact")]
    UnknownContact,
    #[error("the contact is a customer already: {0}")]
    AlreadyCustomer(String),
    #[error("the tenant has no such customer")]
    UnknownCustomer,
    #[error("the tenant has no such agent")]
    UnknownAgent,
    #[error("there is no such number in use")]
    UnknownNumber,
    #[error("the number is in use already")]
    NumberInUse,
    #[error("the number belongs to another tenant; release it first")]
    NumberOfAnother,
    #[error("the payment or key {0:?} names another entry already, of another kind or amount")]
    OtherEntry(String),
    #[error("{0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error("the database could not do it: {0}")]
    Database(#[from] sqlx::Error),
}

impl TenantError {
    /// Whether what was asked for makes sense and is refused as things stand.
    pub fn is_refusal(&self) -> bool {
        use TenantError::{AlreadyCustomer, NumberInUse, NumberOfAnother, OtherEntry};
        matches!(self, AlreadyCustomer(_) | NumberInUse | NumberOfAnother | OtherEntry(_))
    }

    /// Whether what was asked for names something that is not there, or is out of range.
    pub fn is_wrong_usage(&self) -> bool {
        use TenantError::{Invalid, UnknownAgent, UnknownContact, UnknownCustomer, UnknownNumber, UnknownTenant};
        matches!(self, Invalid(_) | UnknownAgent | UnknownContact | UnknownCustomer | UnknownNumber | UnknownTenant)
    }
}

/// The constraint that a statement broke.
pub(super) fn broken_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|error| error.constraint())
}

/// A broken constraint of `users`, said in the words of the command line.
pub(super) fn of_users(error: sqlx::Error) -> TenantError {
    let said = match broken_constraint(&error) {
        Some("users_email_check") => "the e-mail address must hold an @ and no blanks at its ends",
        Some("users_currency_check") => "the currency must be three capital letters, such as USD",
        Some("users_score_scale_check") => "the score scale must lie in 5..=100, the dimension scale in 1..=100",
        Some("users_thresholds_check") => "thresholds must fall from hot to warm to cold and lie in 0..=100",
        Some("users_billing_pulse_check") => "the billing pulse must lie in 1..=3600 seconds",
        Some("users_credits_per_minute_check") => "credits per minute must lie in 0..=1000",
        Some("users_default_country_code_check") => "the country code must be 1 to 4 digits, not beginning with 0",
        _ if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("22001") => {
            "the name or the e-mail address is longer than 255 characters"
        }
        _ => return TenantError::Database(error),
    };
    TenantError::Invalid(said)
}
