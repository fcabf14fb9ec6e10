//! Everything about one job.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{error::QueueError, trace::TraceContext};

/// A job: as it lives, as the letters that it left, as its attempts. A
/// coalesced job may have left a dead letter and live on.
#[derive(Debug, Clone, Serialize)]
pub struct JobDetails {
    /// Its id.
    pub job_id: i64,
    /// `None` when it does not live.
    pub live: Option<LiveJob>,
    /// Dead letters, the newest first.
    pub letters: Vec<Letter>,
    /// Its attempts, the newest first, as far as they were asked for and kept.
    pub attempts: Vec<Attempt>,
}

/// A job that waits or runs.
#[derive(Debug, Clone, Serialize)]
pub struct LiveJob {
    pub kind: String,
    pub queue: String,
    pub tenant: Option<Uuid>,
    /// `waiting`, `delayed` or `running`.
    pub state: String,
    /// Whether its queue or its kind is paused.
    pub paused: bool,
    /// 0 runs first, 3 last.
    pub priority: i16,
    /// Attempts begun.
    pub attempt: i32,
    pub max_attempts: i32,
    /// Claims so far; with id and lease they name a run.
    pub claims: i64,
    /// Attempts whose process disappeared.
    pub lost: i32,
    /// Requests of a coalesced job that no run has answered yet.
    pub requests_open: i64,
    /// When it is or was due.
    pub run_at: DateTime<Utc>,
    pub queued_at: DateTime<Utc>,
    pub claimed_at: Option<DateTime<Utc>>,
    pub deadline_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    /// W3C `traceparent` of whoever enqueued it.
    pub trace: Option<String>,
    /// Key by which requests are coalesced.
    pub coalesce_key: Option<String>,
    pub unique_key: Option<String>,
    /// `waiting`, `live` or `any`.
    pub unique_scope: Option<String>,
    /// Until when it holds the key, where that has an end.
    pub unique_until: Option<DateTime<Utc>>,
    /// The permit of its tenant that it holds, in queues with a cap.
    pub permit_slot: Option<i32>,
    /// When its cancelling was asked for.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    pub cancel_reason: Option<String>,
    pub lease_id: Option<Uuid>,
    /// Label of the process that runs it.
    pub process: Option<String>,
    /// May hold anything, also about persons.
    #[serde(skip)]
    pub payload: Value,
}

/// A dead letter.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    pub dead_id: i64,
    pub kind: String,
    pub queue: String,
    pub tenant: Option<Uuid>,
    pub coalesce_key: Option<String>,
    pub priority: i16,
    pub attempts: i32,
    pub max_attempts: i32,
    pub claims: i64,
    pub reason: String,
    pub queued_at: DateTime<Utc>,
    pub dead_at: DateTime<Utc>,
    pub trace: Option<String>,
    /// May hold anything, also about persons.
    #[serde(skip)]
    pub payload: Value,
}

/// A line of history.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    pub claim: i64,
    pub kind: String,
    pub queue: String,
    pub tenant: Option<Uuid>,
    pub attempt: i32,
    pub outcome: String,
    pub error: Option<String>,
    /// The last lines that it logged, one per line.
    pub log: Option<String>,
    pub queued_at: DateTime<Utc>,
    /// `None` where it ended without a run.
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: DateTime<Utc>,
    /// Run time of the handler in milliseconds; `None` where its process disappeared.
    pub duration_ms: Option<i64>,
    pub lease_id: Option<Uuid>,
    /// Label of its process, while the lease is known.
    pub process: Option<String>,
}

impl JobDetails {
    /// The payload, as it is now or as the newest letter has it.
    #[must_use]
    pub fn payload(&self) -> Option<&Value> {
        let letter = self.letters.first().map(|letter| &letter.payload);
        self.live.as_ref().map(|live| &live.payload).or(letter)
    }

    /// Id of the trace that it belongs to, in hex.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let live = self.live.as_ref().and_then(|live| live.trace.as_deref());
        let letter = self.letters.first().and_then(|letter| letter.trace.as_deref());
        live.or(letter).and_then(TraceContext::parse).map(|trace| format!("{:032x}", trace.trace_id))
    }
}

/// Reads one job with up to `attempts` of its attempts; `None` when there is no
/// trace of it, any more or yet.
///
/// # Errors
/// [`QueueError::Database`].
pub async fn show(db: &mut PgConnection, job_id: i64, attempts: i64) -> Result<Option<JobDetails>, QueueError> {
    let live = sqlx::query_file_as!(LiveJob, "../../sql/queue/job_live.sql", job_id).fetch_optional(&mut *db).await?;
    let letters = sqlx::query_file_as!(Letter, "../../sql/queue/job_letters.sql", job_id).fetch_all(&mut *db).await?;
    let attempts =
        sqlx::query_file_as!(Attempt, "../../sql/queue/job_attempts.sql", job_id, attempts).fetch_all(db).await?;
    let known = live.is_some() || !letters.is_empty() || !attempts.is_empty();
    Ok(known.then_some(JobDetails { job_id, live, letters, attempts }))
}
