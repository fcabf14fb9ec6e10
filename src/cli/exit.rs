//! The exit code that an error comes to.

use tallyline_db::{MigrateError, PoolError};
use tallyline_jobs::backfill::BackfillError;
use tallyline_jobs::notify::NotifyError;
use tallyline_jobs::provider_accounts::AccountError;
use tallyline_queue::QueueError;

use super::{NotFound, Refused, WrongUsage, doctor, names, settings};
use crate::accounts::people::PeopleError;
use crate::config::ConfigError;
use crate::tenants::TenantError;

/// Which of the documented codes an error means.
pub(super) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<ConfigError>()
            || cause.is::<WrongUsage>()
            || cause.is::<NotFound>()
            || matches!(cause.downcast_ref(), Some(PeopleError::Invalid(_) | PeopleError::Unknown))
            || cause.is::<settings::Unusable>()
            || cause.is::<names::NotThere>()
            || matches!(
                cause.downcast_ref(),
                Some(QueueError::UnknownKind(_) | QueueError::Payload { .. } | QueueError::Place)
            )
            || cause.downcast_ref().is_some_and(TenantError::is_wrong_usage)
            || cause.downcast_ref().is_some_and(NotifyError::is_wrong_usage)
            || matches!(cause.downcast_ref(), Some(BackfillError::UnknownTenant(_) | BackfillError::UnknownBackfill(_)))
            || cause.downcast_ref().is_some_and(AccountError::is_wrong_usage)
            || matches!(cause.downcast_ref(), Some(QueueError::UnknownSchedule { .. }))
        {
            return 2;
        }
        if cause.is::<Refused>()
            || matches!(cause.downcast_ref(), Some(PeopleError::Taken | PeopleError::Last))
            || cause.downcast_ref().is_some_and(TenantError::is_refusal)
            || matches!(cause.downcast_ref(), Some(BackfillError::NotNow(_)))
        {
            return 4;
        }
        if matches!(cause.downcast_ref(), Some(PoolError::Privileged { .. } | PoolError::RoleMissing { .. }))
            || matches!(
                cause.downcast_ref(),
                Some(MigrateError::RolesMissing { .. } | MigrateError::ForeignTables { .. })
            )
        {
            return 4;
        }
        if cause.is::<tallyline_db::EmbeddedError>() || cause.is::<doctor::NoDatabase>() || is_unreachable(cause) {
            return 3;
        }
    }
    1
}

fn is_unreachable(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_)))
        || cause.downcast_ref::<reqwest::Error>().is_some_and(|e| e.is_connect() || e.is_timeout())
        || cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
}
