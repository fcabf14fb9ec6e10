//! The task that keeps the tables fit: partitions of the history, expired keys,
//! and a look at what keeps vacuum from doing its work.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    claimer::in_time,
    stats,
    telemetry::{DEAD_TUPLES, OLDEST_SNAPSHOT, db_error},
};

/// Partitions are made for so many days ahead: a week of failing maintenance
/// goes unnoticed by whoever writes history.
const DAYS_AHEAD: i32 = 7;

const EVERY: Duration = Duration::from_secs(60);

/// Partitions and keys are seen to at every so many rounds, and at the first.
const SWEEP_EVERY: u32 = 30;

/// A snapshot older than this is worth a warning: what was deleted since cannot
/// be vacuumed away, and claims walk over it.
const OLD_SNAPSHOT: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Maintainer {
    pub(crate) db: PgPool,
    /// Days that history is kept.
    pub(crate) keep_days: i32,
    pub(crate) stop: CancellationToken,
}

impl Maintainer {
    pub(crate) async fn run(self) {
        let turns = async {
            let mut round = 0_u32;
            loop {
                if round.is_multiple_of(SWEEP_EVERY) {
                    self.sweep().await;
                }
                self.look().await;
                round = round.wrapping_add(1);
                // Spread, so that processes do not all do it at once.
                tokio::time::sleep(EVERY.mul_f64(0.75 + 0.5 * rand::random::<f64>())).await;
            }
        };
        self.stop.run_until_cancelled(turns).await;
    }

    async fn sweep(&self) {
        match in_time(keep_history(&self.db, DAYS_AHEAD, self.keep_days)).await {
            Ok((0, 0)) => {}
            Ok((made, dropped)) => tracing::info!(made, dropped, "partitions of the job history"),
            // Busy, most likely: a lock that does not come at once is left alone.
            Err(error) => db_error("keep_history", &error),
        }
        let expired = sqlx::query!("DELETE FROM tally.job_keys WHERE expires_at < now()").execute(&self.db);
        if let Err(error) = in_time(expired).await {
            db_error("expire_keys", &error);
        }
    }

    async fn look(&self) {
        match in_time(stats::bloat(&self.db)).await {
            Ok(bloat) => {
                for table in &bloat.tables {
                    metrics::gauge!(DEAD_TUPLES, "table" => table.table.clone()).set(table.dead_tuples as f64);
                }
                let age = bloat.oldest_snapshot_seconds.unwrap_or(0.0);
                metrics::gauge!(OLDEST_SNAPSHOT).set(age);
                if age > OLD_SNAPSHOT.as_secs_f64() {
                    let holder = bloat.oldest_snapshot_holder.as_deref().unwrap_or("unknown");
                    tracing::warn!(
                        age_seconds = age.round(),
                        holder,
                        "an old snapshot keeps dead rows of the queue from being vacuumed"
                    );
                }
            }
            Err(error) => db_error("look_at_bloat", &error),
        }
    }
}

/// Makes partitions of the history for the days to come and drops those past
/// `keep_days`; returns how many of each.
///
/// # Errors
/// Of the database; `lock_not_available` when the table is busy.
pub async fn keep_history(db: &PgPool, days_ahead: i32, keep_days: i32) -> Result<(i32, i32), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT made AS "made!", dropped AS "dropped!" FROM tally.keep_job_history($1, $2)"#,
        days_ahead,
        keep_days
    )
    .fetch_one(db)
    .await?;
    Ok((row.made, row.dropped))
}
