//! Rows of leases.

use std::time::Duration;

use sqlx::PgExecutor;
use uuid::Uuid;

/// Registers a lease for `ttl` from the database's time.
///
/// # Errors
/// Of the database.
pub async fn register_lease(
    db: impl PgExecutor<'_>,
    lease_id: Uuid,
    label: &str,
    ttl: Duration,
) -> Result<(), sqlx::Error> {
    register_serving(db, lease_id, label, ttl, &[]).await
}

/// The same for a process that takes jobs from these queues.
pub(crate) async fn register_serving(
    db: impl PgExecutor<'_>,
    lease_id: Uuid,
    label: &str,
    ttl: Duration,
    queues: &[String],
) -> Result<(), sqlx::Error> {
    let ttl_seconds = ttl.as_secs_f64();
    sqlx::query_file!("../../sql/queue/lease_register.sql", lease_id, label, ttl_seconds, queues).execute(db).await?;
    Ok(())
}

/// Prolongs a lease to `ttl` from now. False when it ended already: an ended
/// lease never comes back, since its jobs may have been taken.
///
/// # Errors
/// Of the database.
pub async fn beat(db: impl PgExecutor<'_>, lease_id: Uuid, ttl: Duration) -> Result<bool, sqlx::Error> {
    let done = sqlx::query_file!("../../sql/queue/lease_beat.sql", lease_id, ttl.as_secs_f64()).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// Gives a lease up. Jobs still held under it are taken back at the next rescue.
///
/// # Errors
/// Of the database.
pub async fn release_lease(db: impl PgExecutor<'_>, lease_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM tally.job_leases WHERE lease_id = $1", lease_id).execute(db).await?;
    Ok(())
}

/// Deletes leases that ended long ago; returns how many.
///
/// # Errors
/// Of the database.
pub async fn sweep_leases(db: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query_file!("../../sql/queue/lease_sweep.sql").execute(db).await?.rows_affected())
}
