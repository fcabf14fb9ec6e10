//! `extend_calendar`: keeps every zone's calendar two years ahead and in agreement
//! with the server's tz database.

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_queue::{Job, JobContext, JobError};

use crate::Deps;

/// The payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExtendCalendar {}

/// What a run over all zones came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// Zones whose calendar was taken further.
    pub extended: u64,
    /// Zones about which the tz database had changed its mind.
    pub changed: u64,
    /// Buckets marked, over all tenants of those zones.
    pub marks: i64,
}

/// Asks for a run: whenever a process starts, the server may have another tz
/// database than before.
///
/// # Errors
/// On database errors.
pub async fn request(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT tally.request_job('extend_calendar', 'zones') AS id").fetch_one(pool).await?;
    Ok(())
}

/// Extends every zone that ends too early, and derives anew those that the tz
/// database no longer agrees with: a transaction a zone, in which the tenants of
/// the zone are marked wherever their local buckets changed.
///
/// # Errors
/// On database errors. A zone that fails does not keep the others from being
/// refreshed; the last error is returned.
pub async fn refresh_zones(pool: &PgPool) -> Result<Refreshed, sqlx::Error> {
    let zones = sqlx::query_scalar!("SELECT zone FROM tally.zones ORDER BY zone").fetch_all(pool).await?;
    let (mut total, mut failure) = (Refreshed::default(), None);
    for zone in zones {
        match refresh_zone(pool, &zone).await {
            Ok(refreshed) => {
                total.extended += refreshed.extended;
                total.changed += refreshed.changed;
                total.marks += refreshed.marks;
            }
            Err(error) => {
                tracing::error!(zone, %error, "calendar not refreshed");
                failure = Some(error);
            }
        }
    }
    failure.map_or(Ok(total), Err)
}

async fn refresh_zone(pool: &PgPool, zone: &str) -> Result<Refreshed, sqlx::Error> {
    let mut tx = pool.begin().await?;
    // Thousands of tenants in one zone take longer than any statement of a request may.
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let found = sqlx::query_file!("../sql/zones/refresh.sql", zone).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    if found.changed {
        metrics::counter!("tallyline_calendar_zones_changed_total").increment(1);
        let (from, to) = (found.changed_from, found.changed_to);
        tracing::warn!(zone, ?from, ?to, marks = found.marks, "the tz database changed; calendar derived anew");
    } else if found.extended {
        tracing::info!(zone, "calendar extended");
    }
    Ok(Refreshed { extended: found.extended.into(), changed: found.changed.into(), marks: found.marks })
}

impl Job for ExtendCalendar {
    type State = Deps;
    const KIND: &'static str = "extend_calendar";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        refresh_zones(&ctx.state.pool).await?;
        let mut tx = ctx.state.pool.begin().await?;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
