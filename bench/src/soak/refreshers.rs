//! The roll-up as the product runs it, as it runs with pauses, and broken.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{PgConnection, Row};
use tallyline_jobs::roll_up::steps::{self, Buckets};
use tallyline_jobs::roll_up::{self, Options, TIERS, Tier};

use super::{Mutation, Soak, count};

const BUCKETS: i64 = 20;

/// One of several that work on the same marks.
pub struct Refresher {
    soak: Arc<Soak>,
    /// Whether it takes the steps one by one, with pauses, or runs the product's unit.
    pauses: bool,
    dice: StdRng,
    /// Of the mutation that follows the sequence.
    cursor: i64,
}

impl Refresher {
    pub fn new(soak: Arc<Soak>, pauses: bool, seed: u64) -> Self {
        Refresher { soak, pauses, dice: StdRng::seed_from_u64(seed), cursor: 0 }
    }

    /// Refreshes until the soak is done.
    pub async fn run(mut self) -> anyhow::Result<()> {
        while !self.soak.is_done() {
            if self.unit().await? == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// One unit; returns how many buckets it refreshed. A failed one is counted.
    pub async fn unit(&mut self) -> anyhow::Result<usize> {
        let worked = match self.soak.mutation {
            None | Some(Mutation::DoNothingMarks) if !self.pauses => {
                let options = Options { batch_buckets: BUCKETS, ..Options::default() };
                roll_up::run_unit(&self.soak.db.pool, &options).await
            }
            _ => self.steps().await,
        };
        match worked {
            Ok(buckets) => {
                self.soak.tally.refreshes.fetch_add(buckets as u64, std::sync::atomic::Ordering::Relaxed);
                Ok(buckets)
            }
            Err(sqlx::Error::Database(error)) => {
                if count_of(&self.soak) == 0 {
                    println!("first failure of a refresher: {error}");
                }
                count(&self.soak.tally.refreshes_failed);
                Ok(1)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether there is nothing left that this refresher would ever see.
    pub async fn idle(&self) -> anyhow::Result<bool> {
        if self.soak.mutation == Some(Mutation::SequenceCursor) {
            return Ok(true);
        }
        Ok(crate::stage::number(&self.soak.db.admin, "SELECT count(*) FROM tally.rollup_marks").await? == 0)
    }

    async fn pause(&mut self) {
        if self.pauses || self.soak.mutation.is_some() {
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(0..20))).await;
        }
    }

    /// All tiers, step by step.
    async fn steps(&mut self) -> Result<usize, sqlx::Error> {
        let mut refreshed = 0;
        for tier in TIERS {
            let candidates = self.candidates(tier).await?;
            if !candidates.is_empty() {
                steps::ensure(&self.soak.db.pool, tier, &candidates).await?;
                refreshed += self.transaction(tier, &candidates).await?;
            }
        }
        Ok(refreshed)
    }

    async fn candidates(&mut self, tier: Tier) -> Result<Buckets, sqlx::Error> {
        if self.soak.mutation != Some(Mutation::SequenceCursor) || tier != Tier::Quarter {
            return steps::candidates(&self.soak.db.pool, tier, BUCKETS * 4).await;
        }
        let rows = sqlx::query("SELECT user_id, bucket_start, seq FROM tally.rollup_marks WHERE tier = 0 AND seq > $1 ORDER BY seq LIMIT 200")
            .bind(self.cursor)
            .fetch_all(&self.soak.db.pool)
            .await?;
        let mut buckets = Buckets::default();
        for row in &rows {
            let (user_id, start) = (row.get("user_id"), row.get::<DateTime<Utc>, _>("bucket_start"));
            if !buckets.user_ids.iter().zip(&buckets.starts).any(|known| known == (&user_id, &start)) {
                buckets.user_ids.push(user_id);
                buckets.starts.push(start);
            }
            self.cursor = row.get("seq");
        }
        Ok(buckets)
    }

    async fn transaction(&mut self, tier: Tier, candidates: &Buckets) -> Result<usize, sqlx::Error> {
        let mutation = self.soak.mutation;
        let soak = Arc::clone(&self.soak);
        let mut tx = match mutation {
            Some(Mutation::RepeatableRead) => soak.db.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?,
            _ => soak.db.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?,
        };
        if mutation == Some(Mutation::Fused) && tier == Tier::Quarter {
            let buckets = fused(&mut tx, candidates).await?;
            steps::mark_parents(&mut tx, tier, candidates).await?;
            tx.commit().await?;
            return Ok(buckets);
        }
        let locked = match mutation {
            Some(Mutation::NoLock) => unlocked(candidates),
            Some(Mutation::SequenceCursor) if tier == Tier::Quarter => {
                steps::lock(&mut tx, tier, candidates, i64::MAX).await?
            }
            _ => steps::lock(&mut tx, tier, candidates, BUCKETS).await?,
        };
        if locked.is_empty() {
            return Ok(0);
        }
        self.pause().await;
        let now = if mutation == Some(Mutation::NoLock) {
            // As a queue would take them: two that want the same marks would otherwise
            // wait for each other there, and so be in order by accident.
            sqlx::query(include_str!("../../sql/take_unlocked_marks.sql"))
                .bind(&locked.user_ids)
                .bind(tier.number())
                .bind(&locked.starts)
                .execute(&mut *tx)
                .await?;
            sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?
        } else if mutation == Some(Mutation::SequenceCursor) && tier == Tier::Quarter {
            sqlx::query("DELETE FROM tally.rollup_marks WHERE tier = 0 AND seq <= $1 AND seq > $1 - 1000000")
                .bind(self.cursor)
                .execute(&mut *tx)
                .await?;
            sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?
        } else {
            steps::consume_marks(&mut tx, tier, &locked).await?
        };
        self.pause().await;
        steps::replace(&mut tx, tier, &locked).await?;
        self.pause().await;
        steps::bump(&mut tx, tier, &locked, &vec![now; locked.len()]).await?;
        steps::mark_parents(&mut tx, tier, &locked).await?;
        tx.commit().await?;
        Ok(locked.len())
    }
}

fn count_of(soak: &Soak) -> u64 {
    soak.tally.refreshes_failed.load(std::sync::atomic::Ordering::Relaxed)
}

/// The mutation without a lock: as if all candidates were held.
fn unlocked(candidates: &Buckets) -> Buckets {
    let taken = usize::try_from(BUCKETS).unwrap_or(1).min(candidates.len());
    Buckets {
        user_ids: candidates.user_ids[..taken].to_vec(),
        starts: candidates.starts[..taken].to_vec(),
        generations: vec![1; taken],
        failures: vec![0; taken],
    }
}

/// Lock, consumption and computation in one statement: what is computed has the
/// snapshot of before the lock.
#[expect(clippy::disallowed_methods, reason = "the product's own text, broken on purpose")]
async fn fused(tx: &mut PgConnection, candidates: &Buckets) -> Result<usize, sqlx::Error> {
    const SOURCE: &str =
        "FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS b (user_id, bucket_start, generation)";
    const LOCKED: &str = include_str!("../../sql/fused_lock.sql");
    let upsert = include_str!("../../../sql/rollup/quarter_upsert.sql");
    assert!(upsert.contains(SOURCE), "quarter_upsert.sql reads its buckets in another way now");
    let statement = format!("{LOCKED}\n{}", upsert.replace(SOURCE, "FROM locked b"));
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(&candidates.user_ids)
        .bind(&candidates.starts)
        .execute(&mut *tx)
        .await?;
    sqlx::query(include_str!("../../../sql/rollup/quarter_delete_vanished.sql"))
        .bind(&candidates.user_ids)
        .bind(&candidates.starts)
        .execute(&mut *tx)
        .await?;
    Ok(candidates.len())
}
