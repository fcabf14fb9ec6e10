//! Which buckets are known to be behind.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tallyline_history::Grain;
use uuid::Uuid;

/// Starts of a tenant's marked buckets by tier, each list in order, in
/// microseconds since the Unix epoch.
#[derive(Debug, Default)]
pub(super) struct Marks {
    tiers: [Vec<i64>; 4],
}

impl Marks {
    pub(super) async fn load(tx: &mut PgConnection, user_id: Uuid) -> Result<Marks, sqlx::Error> {
        let mut marks = Marks::default();
        for mark in sqlx::query_file!("../sql/verify/marks.sql", user_id).fetch_all(tx).await? {
            if let Some(tier) = usize::try_from(mark.tier).ok().and_then(|t| marks.tiers.get_mut(t)) {
                tier.push(mark.bucket_start.timestamp_micros());
            }
        }
        Ok(marks)
    }

    /// Only those from the tiers up to `grain` that start in a range.
    pub(super) async fn load_range(
        tx: &mut PgConnection,
        user_id: Uuid,
        grain: Grain,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Marks, sqlx::Error> {
        let mut marks = Marks::default();
        let rows = sqlx::query_file!("../sql/audit/marks.sql", user_id, from, to, grain.tier()).fetch_all(tx).await?;
        for mark in rows {
            if let Some(tier) = usize::try_from(mark.tier).ok().and_then(|t| marks.tiers.get_mut(t)) {
                tier.push(mark.bucket_start.timestamp_micros());
            }
        }
        Ok(marks)
    }

    /// Whether the bucket or anything that it is put together from is marked:
    /// a mark climbs one tier at a time, and until it has arrived the tiers
    /// above are behind too.
    pub(super) fn cover(&self, grain: Grain, start_micros: i64, end_micros: i64) -> bool {
        Grain::ALL.into_iter().zip(&self.tiers).any(|(tier, starts)| {
            let first = starts.partition_point(|start| *start < start_micros);
            tier <= grain && starts.get(first).is_some_and(|start| *start < end_micros)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_covers_its_bucket_and_those_above() {
        // Fails with `<= end_micros`, or when only the bucket's own tier is asked.
        let marks = Marks { tiers: [vec![100], vec![40], vec![], vec![]] };
        assert!(marks.cover(Grain::Quarter, 100, 110));
        assert!(!marks.cover(Grain::Quarter, 90, 100));
        assert!(!marks.cover(Grain::Quarter, 101, 110));
        assert!(marks.cover(Grain::Month, 90, 200));
        assert!(marks.cover(Grain::Day, 40, 50));
        assert!(!marks.cover(Grain::Quarter, 40, 50), "a mark on an hour says nothing of its quarters");
    }
}
