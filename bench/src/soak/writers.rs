//! Changes of all kinds to calls and leads.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Soak, count};

/// One statement each; $1 is the tenant, $2 a number that picks rows. They touch
/// few rows and take them in the order of their ids, as the pipeline does.
const CHANGES: [&str; 9] = [
    "INSERT INTO calls (user_id, agent_id, started_at, credits_micros)
     SELECT $1, (SELECT a.id FROM agents a WHERE a.user_id = $1 ORDER BY a.id OFFSET $2 % 3 LIMIT 1),
            timestamptz '2026-04-04 11:00Z' + ($2 % 480) * interval '1 minute', $2 FROM generate_series(1, 2)",
    "UPDATE calls SET outcome = 'answered', status = 'completed', duration_seconds = $2 % 300, duration_minutes = ceil($2 % 300 / 60.0)
     WHERE user_id = $1 AND id IN (SELECT id FROM calls WHERE user_id = $1 AND outcome <> 'answered' ORDER BY md5(id::text || $2) LIMIT 3)",
    "UPDATE calls SET credits_micros = credits_micros + 1
     WHERE user_id = $1 AND id IN (SELECT id FROM calls WHERE user_id = $1 ORDER BY md5(id::text || $2) LIMIT 3)",
    "UPDATE calls SET started_at = started_at + ($2 % 7 - 3) * interval '50 minutes'
     WHERE user_id = $1 AND id IN (SELECT id FROM calls WHERE user_id = $1 ORDER BY md5(id::text || $2) LIMIT 2)",
    "UPDATE calls SET agent_id = (SELECT a.id FROM agents a WHERE a.user_id = $1 ORDER BY a.id OFFSET $2 % 3 LIMIT 1)
     WHERE user_id = $1 AND id IN (SELECT id FROM calls WHERE user_id = $1 ORDER BY md5(id::text || $2) LIMIT 2)",
    "DELETE FROM calls WHERE user_id = $1 AND id IN (SELECT id FROM calls WHERE user_id = $1 ORDER BY md5(id::text || $2) LIMIT 1 + $2 % 3)",
    "INSERT INTO lead_analytics (user_id, call_id, total_score, quality)
     SELECT $1, c.id, 12, 'hot' FROM calls c WHERE c.user_id = $1 ORDER BY md5(c.id::text || $2) LIMIT 1 ON CONFLICT DO NOTHING",
    "UPDATE lead_analytics SET total_score = 5, quality = 'unqualified'
     WHERE user_id = $1 AND id IN (SELECT id FROM lead_analytics WHERE user_id = $1 ORDER BY md5(id::text || $2) LIMIT 1)",
    "DELETE FROM lead_analytics WHERE user_id = $1 AND id IN (SELECT id FROM lead_analytics WHERE user_id = $1 ORDER BY md5(id::text || $2) LIMIT 1)",
];

/// Writes until the soak is done.
pub async fn write(soak: Arc<Soak>, seed: u64) -> anyhow::Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    while !soak.is_done() {
        let user_id = soak.tenants[dice.random_range(0..soak.tenants.len())];
        let change = CHANGES[dice.random_range(0..CHANGES.len())];
        let number = dice.random_range(0..1_000_000_000_i64);
        let mut tx = soak.db.admin.begin().await?;
        // Two writers may meet; that is between them and no fault of the roll-ups.
        let written = sqlx::query(change).bind(user_id).bind(number).execute(&mut *tx).await;
        if written.is_err() || dice.random_bool(0.05) {
            tx.rollback().await?;
            count(&soak.tally.rollbacks);
            continue;
        }
        if dice.random_bool(0.05) {
            tokio::time::sleep(Duration::from_millis(dice.random_range(20..300))).await;
        }
        tx.commit().await?;
        count(&soak.tally.writes);
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..30))).await;
    }
    Ok(())
}
