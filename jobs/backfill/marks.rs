//! Units by marks: the roll-up does the work.

use sqlx::{PgConnection, PgPool};

use super::BackfillError;
use super::unit::{Done, Scanned, Unit};

/// Marks all that lies in the unit's days, in the transaction that holds the
/// unit's row.
pub(super) async fn work(tx: &mut PgConnection, unit: &Unit) -> Result<Done, BackfillError> {
    let calls = sqlx::query_file_scalar!("../sql/backfill/mark_unit.sql", unit.user_id, unit.from_time, unit.to_time)
        .fetch_one(&mut *tx)
        .await?;
    let kept = sqlx::query_file_scalar!(
        "../sql/backfill/set_marked.sql",
        unit.user_id,
        unit.backfill_id,
        unit.from_time,
        calls
    )
    .fetch_optional(&mut *tx)
    .await?;
    unit.spend(tx, calls).await?;
    Ok(kept.map_or(Done::Gone, |_| Done::Kept(Scanned::default())))
}

/// Sees which marked units have had their marks consumed; returns how many went
/// a tier further or are done.
pub(super) async fn advance(pool: &PgPool) -> Result<usize, BackfillError> {
    let units = sqlx::query_file_scalar!("../sql/backfill/advance_marked.sql").fetch_one(pool).await?;
    Ok(usize::try_from(units).unwrap_or(0))
}
