//! Whose turn it is, and which events are due.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};
use tallyline_model::{Scales, Thresholds};
use uuid::Uuid;

/// A tenant's lane as claimed.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) user_id: Uuid,
    /// Batches begun since the last one that ended, this one included.
    pub(super) claims: i32,
}

/// Settings of a tenant that bear on how its events are applied.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) default_country_code: Option<String>,
    pub(super) scales: Scales,
    pub(super) thresholds: Thresholds,
    /// Who makes the tenant's analyses; `off` where nothing was set.
    pub(super) analysis_provider: String,
    pub(super) billing_pulse_seconds: i32,
    pub(super) credits_per_minute_micros: i64,
}

/// Locked lanes with their tenants' settings.
pub(super) type Lanes = HashMap<Uuid, Tenant>;

/// Names a pending event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PendingId {
    pub(super) user_id: Uuid,
    pub(super) inbox_id: i64,
}

/// Parallel arrays of the ids, as statements take them.
pub(super) fn arrays(ids: &[PendingId]) -> (Vec<Uuid>, Vec<i64>) {
    ids.iter().map(|id| (id.user_id, id.inbox_id)).unzip()
}

pub(super) async fn claim_lanes(pool: &PgPool, limit: i64) -> Result<Vec<Lane>, sqlx::Error> {
    let turn = sqlx::query_scalar!(r#"SELECT nextval('tally.lane_turn_seq') AS "turn!""#).fetch_one(pool).await?;
    let rows = sqlx::query_file!("../sql/process/claim_lanes.sql", limit, turn).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| Lane { user_id: row.user_id, claims: row.claims }).collect())
}

/// Events that are due, each with whether it was begun alone before and not ended.
pub(super) async fn due_events(
    pool: &PgPool,
    lanes: &[Lane],
    per_lane: i64,
) -> Result<Vec<(PendingId, bool)>, sqlx::Error> {
    let user_ids: Vec<Uuid> = lanes.iter().map(|lane| lane.user_id).collect();
    let rows = sqlx::query_file!("../sql/process/due_events.sql", &user_ids, per_lane).fetch_all(pool).await?;
    let due = |user_id, inbox_id, claims| (PendingId { user_id, inbox_id }, claims > 0);
    Ok(rows.into_iter().map(|row| due(row.user_id, row.inbox_id, row.claims)).collect())
}

/// Counts that an event is begun alone; 0 when somebody ended it meanwhile.
pub(super) async fn claim_event(pool: &PgPool, id: PendingId) -> Result<i32, sqlx::Error> {
    let row = sqlx::query_file!("../sql/process/claim_event.sql", id.user_id, id.inbox_id).fetch_optional(pool).await?;
    Ok(row.map_or(0, |row| row.claims))
}

pub(super) async fn lock_lanes(tx: &mut PgConnection, ids: &[PendingId]) -> Result<Lanes, sqlx::Error> {
    let mut user_ids: Vec<Uuid> = ids.iter().map(|id| id.user_id).collect();
    user_ids.dedup();
    let held = sqlx::query_file_scalar!("../sql/process/lock_lanes.sql", &user_ids).fetch_all(&mut *tx).await?;
    // In a statement of its own: what was set before the lane was let go of is seen.
    let rows = sqlx::query_file!("../sql/process/tenant_settings.sql", &held).fetch_all(tx).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let tenant = Tenant {
                default_country_code: row.default_country_code,
                scales: Scales { total: row.score_scale.into(), dimension: row.dimension_scale.into() },
                thresholds: Thresholds {
                    hot_percent: row.hot_threshold_percent.into(),
                    warm_percent: row.warm_threshold_percent.into(),
                    cold_percent: row.cold_threshold_percent.into(),
                },
                analysis_provider: row.analysis_provider,
                billing_pulse_seconds: row.billing_pulse_seconds,
                credits_per_minute_micros: row.credits_per_minute_micros,
            };
            (row.user_id, tenant)
        })
        .collect())
}

pub(super) async fn release_lanes(tx: &mut PgConnection, lanes: &Lanes) -> Result<(), sqlx::Error> {
    let user_ids: Vec<Uuid> = lanes.keys().copied().collect();
    sqlx::query_file!("../sql/process/release_lanes.sql", &user_ids).execute(tx).await?;
    Ok(())
}

pub(super) async fn delete_pending(tx: &mut PgConnection, ids: &[PendingId]) -> Result<(), sqlx::Error> {
    let (user_ids, inbox_ids) = arrays(ids);
    sqlx::query_file!("../sql/process/delete_pending.sql", &user_ids, &inbox_ids).execute(tx).await?;
    Ok(())
}

/// Takes back claims whose batch failed while the process lives. Best effort: at
/// worst the lanes are worked through one event at a time for a while.
pub(super) async fn unclaim_lanes(pool: &PgPool, user_ids: &[Uuid]) {
    if let Err(error) = sqlx::query_file!("../sql/process/unclaim_lanes.sql", user_ids).execute(pool).await {
        tracing::debug!(%error, "claims of failed batches were not taken back");
    }
}

/// The same for an event that was begun alone.
pub(super) async fn unclaim_event(pool: &PgPool, id: PendingId) {
    let unclaimed = sqlx::query_file!("../sql/process/unclaim_event.sql", id.user_id, id.inbox_id);
    if let Err(error) = unclaimed.execute(pool).await {
        tracing::debug!(%error, "claim of a failed event was not taken back");
    }
}

/// Notes that events of lanes were all begun and ended.
pub(super) async fn note_ended(pool: &PgPool, lanes: &[Lane]) -> Result<(), sqlx::Error> {
    let user_ids: Vec<Uuid> = lanes.iter().map(|lane| lane.user_id).collect();
    sqlx::query_file!("../sql/process/release_lanes.sql", &user_ids).execute(pool).await?;
    Ok(())
}
