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

/// Moves a tenant to another zone and marks its local buckets, those of the new
/// zone to be made and those of the old one to go, in one transaction; the roll-up
/// does the rest. Until then rows whose `zone` is not the tenant's are not its
/// figures. Nothing happens if the tenant has this zone already.
///
/// Calls that arrive meanwhile do not wait. Roll-ups of this tenant, and of no
/// other, are left out for the last part of the marking.
///
/// # Errors
/// When the zone or the tenant is unknown.
pub async fn set_timezone(conn: &mut PgConnection, user_id: Uuid, zone: &str) -> Result<(), TenantError> {
    let mut tx = conn.begin().await?;
    ensure_zone(&mut tx, zone).await?;
    let change = sqlx::query_file!("sql/tenants/change_zone.sql", user_id, zone).fetch_one(&mut *tx).await?;
    let before = change.before.ok_or(TenantError::UnknownTenant)?;
    tx.commit().await?;
    if let Some(marks) = change.marks {
        tracing::info!(
            before,
            zone,
            marks,
            held_seconds = change.held_seconds,
            row_locked_seconds = change.row_locked_seconds,
            "zone changed; hours, days and months are made anew"
        );
    }
    Ok(())
}
