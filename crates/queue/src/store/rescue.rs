//! Taking jobs back.

use std::time::Duration;

use sqlx::PgExecutor;

/// When a job is taken back and when it is given up.
#[derive(Debug, Clone, Copy)]
pub struct RescueTerms {
    /// Jobs per statement.
    pub limit: i64,
    /// How long after its deadline a job of a living process is taken back.
    pub deadline_margin: Duration,
    /// At this many losses the job is a dead letter.
    pub max_lost: i32,
    /// Whether to look beyond ended leases: for jobs past their deadline, and
    /// for jobs whose lease has no row. It reads every claim there is.
    pub thorough: bool,
}

/// A job that was taken back.
#[derive(Debug, Clone)]
pub struct Rescued {
    /// Id of the job.
    pub job_id: i64,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// `lease` or `deadline`.
    pub cause: String,
    /// Whether it became a dead letter.
    pub dead: bool,
}

/// Takes back the jobs of ended leases and those far past their deadline. Any
/// number of processes may do this at once. An attempt that is lost counts: after
/// its last one a job is a dead letter.
///
/// # Errors
/// Of the database.
pub async fn rescue(db: impl PgExecutor<'_>, terms: &RescueTerms) -> Result<Vec<Rescued>, sqlx::Error> {
    sqlx::query_file_as!(
        Rescued,
        "../../sql/queue/rescue.sql",
        terms.limit,
        terms.deadline_margin.as_secs_f64(),
        terms.max_lost,
        terms.thorough,
    )
    .fetch_all(db)
    .await
}
