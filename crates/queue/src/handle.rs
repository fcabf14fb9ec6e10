//! The handle through which jobs are enqueued.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{error::QueueError, hint::Hint, job::Job, new_job::NewJob, telemetry::ENQUEUED};

/// Enqueues jobs, in transactions of the caller. Cheap to clone.
///
/// Nothing here commits. After the commit, [`Queue::hint`] wakes the workers of
/// this process; those of others find the job by polling, within a second.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    hint: Hint,
}

impl Queue {
    /// A handle whose hint nobody listens to: for processes without workers.
    /// A runner has its own, see `Runner::queue`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one job and returns its id.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn enqueue(&self, db: &mut PgConnection, job: NewJob) -> Result<i64, QueueError> {
        let ids = self.enqueue_bulk(db, std::slice::from_ref(&job)).await?;
        ids.first().copied().ok_or(QueueError::Database(sqlx::Error::RowNotFound))
    }

    /// Adds jobs in one statement and returns their ids in the order given.
    ///
    /// # Errors
    /// [`QueueError::Database`]; then none was added.
    pub async fn enqueue_bulk(&self, db: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<i64>, QueueError> {
        let kinds: Vec<String> = jobs.iter().map(|j| j.kind.clone()).collect();
        let queues: Vec<String> = jobs.iter().map(|j| j.queue.clone()).collect();
        let users: Vec<Option<Uuid>> = jobs.iter().map(|j| j.user_id).collect();
        let payloads: Vec<Value> = jobs.iter().map(|j| j.payload.clone()).collect();
        let priorities: Vec<i16> = jobs.iter().map(|j| j.priority).collect();
        let delays: Vec<f64> = jobs.iter().map(|j| j.run_after.as_secs_f64()).collect();
        let attempts: Vec<i32> = jobs.iter().map(|j| j.max_attempts).collect();
        let traces: Vec<Option<String>> = jobs.iter().map(|j| j.trace.clone()).collect();
        let rows = sqlx::query_file!(
            "../../sql/queue/enqueue.sql",
            &kinds,
            &queues,
            &users as &[Option<Uuid>],
            &payloads,
            &priorities,
            &delays,
            &attempts,
            &traces as &[Option<String>],
        )
        .fetch_all(db)
        .await?;
        for kind in kinds {
            metrics::counter!(ENQUEUED, "job" => kind).increment(1);
        }
        Ok(rows.into_iter().map(|row| row.id).collect())
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
        metrics::counter!(ENQUEUED, "job" => J::KIND).increment(1);
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

    /// Tells the workers of this process that there may be work. After the commit.
    pub fn hint(&self) {
        self.hint.ring();
    }

    pub(crate) fn hint_source(&self) -> &Hint {
        &self.hint
    }
}
