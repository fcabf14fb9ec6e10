//! Times that are not worth a setting.

use std::time::Duration;

/// Shortest and longest wait between polls that find nothing.
pub(crate) const POLL_LEAST: Duration = Duration::from_millis(50);
pub(crate) const POLL_GREATEST: Duration = Duration::from_secs(1);

/// Longest wait after a database error.
pub(crate) const RETRY_GREATEST: Duration = Duration::from_secs(5);

/// Limit that the server puts on statements of the queue's own tasks.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Deadline of kinds that this process does not know; they become dead letters at once.
pub(crate) const UNKNOWN_KIND_DEADLINE: Duration = Duration::from_secs(60);
