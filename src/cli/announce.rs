//! Telling running processes that there is something for them.

use sqlx::PgPool;

use crate::config::Config;

/// Says that there may be jobs; after the commit. Who cannot be told finds them
/// by polling, within a second.
pub(super) async fn jobs(config: &Config, pool: &PgPool) {
    if config.queue.announce
        && let Err(error) = tallyline_queue::announce_jobs(pool).await
    {
        tracing::warn!(%error, "other processes could not be told, and will find out by themselves");
    }
}

/// Says that jobs are to be cancelled; after the commit.
pub(super) async fn cancel(config: &Config, pool: &PgPool) {
    if config.queue.announce
        && let Err(error) = tallyline_queue::announce_cancel(pool).await
    {
        tracing::warn!(%error, "other processes could not be told, and will find out by themselves");
    }
}
