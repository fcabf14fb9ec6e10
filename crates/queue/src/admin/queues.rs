//! Queues, the processes that serve them, and waiting until one is idle.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{error::QueueError, timing::STATEMENT_TIMEOUT};

/// One queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueLine {
    /// Its name.
    pub queue: String,
    /// Jobs that are due.
    pub waiting: i64,
    /// Jobs that wait for their time, retries among them.
    pub delayed: i64,
    /// Jobs that run.
    pub running: i64,
    /// For how long the oldest due job has been due; `None` when none is.
    pub oldest_seconds: Option<f64>,
    /// Since when it is paused; `None` when it is not.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub paused_reason: Option<String>,
    /// Jobs of one tenant that may run at once, over all processes.
    pub tenant_cap: Option<i32>,
    /// Labels of the living processes that take jobs from it.
    pub processes: Vec<String>,
}

/// A kind of which nothing is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PausedKind {
    pub kind: String,
    pub paused_at: DateTime<Utc>,
    pub reason: String,
}

/// A start of a process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerLine {
    pub lease_id: Uuid,
    /// Host and process id.
    pub label: String,
    pub started_at: DateTime<Utc>,
    pub age_seconds: f64,
    pub beat_at: DateTime<Utc>,
    /// Time since its last beat.
    pub beat_age_seconds: f64,
    /// False when it has been silent for too long: its jobs are taken back.
    pub alive: bool,
    /// Queues that it takes jobs from.
    pub queues: Vec<String>,
    /// Jobs that it holds.
    pub held: i64,
}

/// Every queue: the `known` ones, those with jobs, paused or capped ones, and
/// those that a living process serves. Costs a scan of the live jobs.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn queues(db: &mut PgConnection, known: &[&str]) -> Result<Vec<QueueLine>, QueueError> {
    Ok(sqlx::query_file_as!(QueueLine, "../../sql/queue/queues.sql", known as &[&str]).fetch_all(db).await?)
}

/// Whether a living process takes jobs from a queue.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn is_served(db: &mut PgConnection, queue: &str) -> Result<bool, QueueError> {
    let query = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tally.job_leases WHERE expires_at > now() AND $1 = ANY (queues)) AS "served!""#,
        queue
    );
    Ok(query.fetch_one(db).await?)
}

/// Kinds that are paused.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn paused_kinds(db: &mut PgConnection) -> Result<Vec<PausedKind>, QueueError> {
    let query = sqlx::query_as!(PausedKind, "SELECT kind, paused_at, reason FROM tally.paused_kinds ORDER BY kind");
    Ok(query.fetch_all(db).await?)
}

/// The processes that there are or were within the last hour, the youngest first.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn workers(db: &mut PgConnection) -> Result<Vec<WorkerLine>, QueueError> {
    Ok(sqlx::query_file_as!(WorkerLine, "../../sql/queue/workers.sql").fetch_all(db).await?)
}

/// Tells when nothing of a paused queue runs any more.
///
/// Counting is not enough: a claim that began before the pause was seen may
/// still commit. So the transactions that were writing jobs at the beginning
/// are waited for, too, for as long as a claim may last.
#[derive(Debug)]
pub struct Idle {
    queue: String,
    claims: BTreeSet<String>,
    until: Instant,
}

impl Idle {
    /// Begins to look. The pause has to be committed before.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn of(db: &mut PgConnection, queue: &str) -> Result<Self, QueueError> {
        let claims = in_flight(db).await?;
        let until = Instant::now() + STATEMENT_TIMEOUT + Duration::from_secs(1);
        Ok(Self { queue: queue.to_owned(), claims, until })
    }

    /// Jobs that run; `None` when none does and none will until the queue is
    /// resumed.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn running(&mut self, db: &mut PgConnection) -> Result<Option<i64>, QueueError> {
        if !self.claims.is_empty() {
            let still = in_flight(db).await?;
            self.claims.retain(|claim| still.contains(claim));
            if Instant::now() > self.until {
                // Whoever writes jobs for so long does not claim them.
                self.claims.clear();
            }
        }
        let running = sqlx::query_scalar!(
            r#"SELECT count(*) AS "running!" FROM tally.jobs WHERE state = 'claimed' AND queue = $1"#,
            self.queue
        )
        .fetch_one(db)
        .await?;
        Ok((running > 0 || !self.claims.is_empty()).then_some(running))
    }
}

async fn in_flight(db: &mut PgConnection) -> Result<BTreeSet<String>, sqlx::Error> {
    let rows = sqlx::query_file!("../../sql/queue/claims_in_flight.sql").fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| row.transaction).collect())
}
