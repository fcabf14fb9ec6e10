//! Which process exports the service metrics: a row of the database that its
//! holder renews. Not an advisory lock, which would need a session of its own
//! and would not pass through a pooler.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;

use crate::daemon::label;

/// How long an election holds. The holder renews it every few seconds; when it
/// ended without a word another process takes over after this.
const HELD: Duration = Duration::from_secs(15);
/// Nobody waits longer for the database when it says that it stops.
const RESIGN_DEADLINE: Duration = Duration::from_secs(1);

/// A process that stands for election.
#[derive(Debug)]
pub struct Candidate {
    id: Uuid,
    label: String,
}

impl Default for Candidate {
    fn default() -> Self {
        Self { id: Uuid::new_v4(), label: label() }
    }
}

impl Candidate {
    /// Until when this process is the exporter; `None` when another one is.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn stand(&self, pool: &PgPool) -> Result<Option<Instant>, sqlx::Error> {
        // From before the statement: the database cannot have counted from an earlier moment.
        let until = Instant::now() + HELD;
        let elected = sqlx::query_file_scalar!("sql/telemetry/elect.sql", self.id, self.label, HELD.as_secs_f64())
            .fetch_optional(pool)
            .await?;
        Ok(elected.map(|_| until))
    }

    /// Lets another process follow at once. Best effort: an election ends by itself.
    pub async fn resign(&self, pool: &PgPool) {
        let resigned = sqlx::query_file!("sql/telemetry/resign.sql", self.id).execute(pool);
        if let Ok(Err(error)) = tokio::time::timeout(RESIGN_DEADLINE, resigned).await {
            tracing::debug!(%error, "could not resign as the exporter of the service metrics");
        }
    }
}
