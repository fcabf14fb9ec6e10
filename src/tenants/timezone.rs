//! A tenant's time zone. Quarters of an hour lie on UTC and stay; hours, days and
//! months are local and are made anew from them, without reading a call.

use sqlx::{Acquire, PgConnection};
use uuid::Uuid;

use super::TenantError;

/// Puts a zone into the calendar, if it is not there.
pub(super) async fn ensure_zone(conn: &mut PgConnection, zone: &str) -> Result<(), TenantError> {
    // In a savepoint: a name that is no zone shall not end the caller's transaction.
    let mut tx = conn.begin().await?;
    sqlx::query!("SELECT tally.ensure_zone($1)", zone).execute(&mut *tx).await.map_err(|error| {
        match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("22023") => TenantError::UnknownZone(zone.to_owned()),
            _ => TenantError::Database(error),
        }
    })?;
    tx.commit().await?;
    Ok(())
}

/// Moves a tenant to another zone: its hours, days and months go away and every
/// quarter of an hour is marked, in one transaction. The roll-up then makes them
/// anew. Nothing happens if the tenant has this zone already.
///
/// The buckets are locked first, then the tenant's row, both as a roll-up does
/// it: one that is under way ends before anything is deleted, and one that comes
/// later sees the new zone, if it reads the zone with a lock on the tenant's row.
///
/// # Errors
/// When the zone or the tenant is unknown.
pub async fn set_timezone(conn: &mut PgConnection, user_id: Uuid, zone: &str) -> Result<(), TenantError> {
    let mut tx = conn.begin().await?;
    ensure_zone(&mut tx, zone).await?;
    sqlx::query_file_scalar!("sql/tenants/lock_buckets.sql", user_id).fetch_one(&mut *tx).await?;
    let before = sqlx::query_scalar!("SELECT timezone FROM public.users WHERE id = $1 FOR UPDATE", user_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::UnknownTenant)?;
    if before == zone {
        return Ok(());
    }
    // Says to the trigger on `users` that the figures are rebuilt here.
    sqlx::query!("SELECT set_config('tally.zone_change', 'on', true)").fetch_one(&mut *tx).await?;
    sqlx::query!("UPDATE public.users SET timezone = $2 WHERE id = $1", user_id, zone).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM public.user_analytics WHERE user_id = $1", user_id).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM public.agent_analytics WHERE user_id = $1", user_id).execute(&mut *tx).await?;
    sqlx::query_file!("sql/tenants/mark_quarters.sql", user_id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
