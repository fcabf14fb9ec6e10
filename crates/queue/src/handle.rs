//! The handle through which jobs are enqueued.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use sqlx::PgConnection;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    error::QueueError,
    hint::Hint,
    job::Job,
    new_job::{Enqueued, NewJob},
    store,
    telemetry::{DUPLICATES, ENQUEUED},
};

/// Enqueues jobs, in transactions of the caller. Cheap to clone.
///
/// Nothing here commits. After the commit, [`Queue::hint`] wakes the workers of
/// this process; those of others find the job by polling, within a second.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    hint: Hint,
    /// Asks the runner to tell other processes.
    announce: Option<Arc<Notify>>,
}

/// How often a unique job is tried again whose key is held one moment and free
/// the next.
const DUPLICATE_TRIES: usize = 5;

impl Queue {
    /// A handle whose hint nobody listens to: for processes without workers.
    /// A runner has its own, see `Runner::queue`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one job.
    ///
    /// # Errors
    /// See [`Self::enqueue_bulk`].
    pub async fn enqueue(&self, db: &mut PgConnection, job: NewJob) -> Result<Enqueued, QueueError> {
        let enqueued = self.enqueue_bulk(db, std::slice::from_ref(&job)).await?;
        enqueued.first().copied().ok_or(QueueError::Database(sqlx::Error::RowNotFound))
    }

    /// Adds jobs, in as few statements as that takes, and says in their order
    /// what became of each. A job whose key another holds is not added; of two
    /// with the same key among `jobs` the first is.
    ///
    /// A key that another transaction is about to take is waited for.
    ///
    /// # Errors
    /// [`QueueError::Database`]; then the transaction is to be rolled back.
    pub async fn enqueue_bulk(&self, db: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        let mut enqueued: Vec<Option<Enqueued>> = store::enqueue(&mut *db, jobs).await?;
        for _ in 0..DUPLICATE_TRIES {
            let open: Vec<usize> = (0..jobs.len()).filter(|n| enqueued.get(*n).is_some_and(Option::is_none)).collect();
            if open.is_empty() {
                break;
            }
            // Its holder may end between the two statements; then the key is free.
            let again: Vec<NewJob> = open.iter().filter_map(|n| jobs.get(*n).cloned()).collect();
            let holders = store::key_holders(&mut *db, &again).await?;
            let mut tried = match holders.iter().all(Option::is_some) {
                true => Vec::new(),
                false => store::enqueue(&mut *db, &again).await?,
            };
            tried.resize(open.len(), None);
            for ((n, holder), tried) in open.into_iter().zip(holders).zip(tried) {
                if let Some(slot) = enqueued.get_mut(n) {
                    *slot = tried.or(holder.map(|of| Enqueued::Duplicate { of }));
                }
            }
        }
        count_enqueued(jobs, &enqueued);
        enqueued.into_iter().collect::<Option<_>>().ok_or(QueueError::Busy)
    }

    /// Asks for a coalesced job of kind `J` and returns the id of its row.
    ///
    /// There is one row per kind, tenant and key. A request that finds it
    /// waiting joins it; one that finds it running makes it run once more. The
    /// payload is the empty object, the key is in [`crate::JobInfo::key`].
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn request<J: Job>(
        &self,
        db: &mut PgConnection,
        key: &str,
        user_id: Option<Uuid>,
        run_after: Duration,
    ) -> Result<i64, QueueError> {
        let row = sqlx::query_file!(
            "../../sql/queue/request.sql",
            J::KIND,
            key,
            user_id,
            run_after.as_secs_f64(),
            Value::Object(serde_json::Map::new()),
            J::QUEUE,
            i32::from(J::PRIORITY),
            J::MAX_ATTEMPTS,
        )
        .fetch_one(db)
        .await?;
        metrics::counter!(ENQUEUED, "kind" => J::KIND).increment(1);
        Ok(row.id)
    }

    /// Stops every process from claiming jobs of a queue. Running ones go on.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn pause(&self, db: &mut PgConnection, queue: &str, reason: &str) -> Result<(), QueueError> {
        sqlx::query!(
            "INSERT INTO tally.paused_queues (queue, paused_at, reason) VALUES ($1, now(), $2)
             ON CONFLICT (queue) DO UPDATE SET reason = EXCLUDED.reason",
            queue,
            reason,
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Lets a paused queue go on; false when it was not paused.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn resume(&self, db: &mut PgConnection, queue: &str) -> Result<bool, QueueError> {
        let done = sqlx::query!("DELETE FROM tally.paused_queues WHERE queue = $1", queue).execute(db).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Stops every process from claiming jobs of a kind. Running ones go on.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn pause_kind(&self, db: &mut PgConnection, kind: &str, reason: &str) -> Result<(), QueueError> {
        sqlx::query!(
            "INSERT INTO tally.paused_kinds (kind, paused_at, reason) VALUES ($1, now(), $2)
             ON CONFLICT (kind) DO UPDATE SET reason = EXCLUDED.reason",
            kind,
            reason,
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Lets a paused kind go on; false when it was not paused.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn resume_kind(&self, db: &mut PgConnection, kind: &str) -> Result<bool, QueueError> {
        let done = sqlx::query!("DELETE FROM tally.paused_kinds WHERE kind = $1", kind).execute(db).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Sets how many jobs of one tenant may run at once in a queue, over all
    /// processes; `None` for no cap. Jobs that run already stay; claims keep to it
    /// from their next look on, within half a second.
    ///
    /// # Errors
    /// [`QueueError::Database`], also for a cap below one.
    pub async fn cap_tenants(&self, db: &mut PgConnection, queue: &str, cap: Option<i32>) -> Result<(), QueueError> {
        match cap {
            Some(cap) => {
                sqlx::query!(
                    "INSERT INTO tally.queue_caps (queue, tenant_cap, updated_at) VALUES ($1, $2, now())
                 ON CONFLICT (queue) DO UPDATE SET tenant_cap = EXCLUDED.tenant_cap, updated_at = EXCLUDED.updated_at",
                    queue,
                    cap,
                )
                .execute(db)
                .await?
            }
            None => sqlx::query!("DELETE FROM tally.queue_caps WHERE queue = $1", queue).execute(db).await?,
        };
        Ok(())
    }

    /// Tells workers that there may be work: those of this process at once,
    /// others within some milliseconds unless the runner only polls. After the
    /// commit.
    pub fn hint(&self) {
        self.hint.ring();
        if let Some(announce) = &self.announce {
            announce.notify_one();
        }
    }

    /// A handle whose hints are announced to other processes.
    pub(crate) fn announcing(announce: Option<Arc<Notify>>) -> Self {
        Self { hint: Hint::new(), announce }
    }

    pub(crate) fn hint_source(&self) -> &Hint {
        &self.hint
    }
}

fn count_enqueued(jobs: &[NewJob], enqueued: &[Option<Enqueued>]) {
    let mut counts: HashMap<(&str, bool), u64> = HashMap::new();
    for (job, enqueued) in jobs.iter().zip(enqueued) {
        *counts.entry((&job.kind, enqueued.is_some_and(Enqueued::is_inserted))).or_default() += 1;
    }
    for ((kind, inserted), count) in counts {
        let name = if inserted { ENQUEUED } else { DUPLICATES };
        metrics::counter!(name, "kind" => kind.to_owned()).increment(count);
    }
}
