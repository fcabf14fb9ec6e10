//! Names and meaning of the metrics, and the counters that a runner shows.

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const ENQUEUED: &str = "tallyline_jobs_enqueued_total";
pub(crate) const DUPLICATES: &str = "tallyline_jobs_duplicate_total";
pub(crate) const FINISHED: &str = "tallyline_jobs_finished_total";
pub(crate) const DURATION: &str = "tallyline_job_duration_seconds";
pub(crate) const WAIT: &str = "tallyline_job_wait_seconds";
pub(crate) const RESCUES: &str = "tallyline_job_rescues_total";
pub(crate) const STALE: &str = "tallyline_job_stale_completions_total";
pub(crate) const DRAIN_UNITS: &str = "tallyline_drain_units_total";
pub(crate) const CRON_SUCCESS: &str = "tallyline_cron_last_success_timestamp_seconds";
pub(crate) const CRON_MISSED: &str = "tallyline_cron_missed_fires_total";
pub(crate) const DEAD_TUPLES: &str = "tallyline_queue_dead_tuples";
pub(crate) const OLDEST_SNAPSHOT: &str = "tallyline_oldest_snapshot_age_seconds";
pub(crate) const CRON_FIRES: &str = "tallyline_cron_fires_total";
pub(crate) const CRON_LATENESS: &str = "tallyline_cron_lateness_seconds";
pub(crate) const CRON_ERRORS: &str = "tallyline_cron_errors_total";
pub(crate) const SPANS: &str = "tallyline_trace_spans_total";
pub(crate) const DB_ERRORS: &str = "tallyline_queue_db_errors_total";

/// Registers help texts with the installed recorder. Call it once, after that.
pub fn describe_metrics() {
    metrics::describe_counter!(ENQUEUED, "Jobs enqueued or requested, by kind; counted before the commit");
    metrics::describe_counter!(DUPLICATES, "Unique jobs that were not enqueued since another held their key, by kind");
    metrics::describe_counter!(FINISHED, "Attempts that ended, by kind and outcome");
    metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "Run time of attempts, by kind");
    metrics::describe_histogram!(WAIT, metrics::Unit::Seconds, "From due to claimed, by queue");
    metrics::describe_counter!(RESCUES, "Jobs taken back from processes that disappeared or hung, by reason");
    metrics::describe_counter!(STALE, "Reports refused because the claim was no longer held");
    metrics::describe_counter!(DRAIN_UNITS, "Units of standing work, by drain and outcome: worked, idle, failed");
    metrics::describe_gauge!(CRON_SUCCESS, metrics::Unit::Seconds, "When a scheduled kind last succeeded, Unix time");
    metrics::describe_counter!(CRON_MISSED, "Fires that were not made up for, by kind");
    metrics::describe_gauge!(DEAD_TUPLES, "Rows of the queue's tables that vacuum has not removed yet, by table");
    metrics::describe_gauge!(
        OLDEST_SNAPSHOT,
        metrics::Unit::Seconds,
        "Age of the oldest snapshot in the database server: nothing deleted since can be vacuumed away"
    );
    metrics::describe_counter!(
        CRON_FIRES,
        "Times that came due, by schedule and outcome: enqueued, skipped_missed, skipped_overlap"
    );
    metrics::describe_histogram!(
        CRON_LATENESS,
        metrics::Unit::Seconds,
        "From the time of a fire to its job being enqueued, jitter aside"
    );
    metrics::describe_counter!(
        CRON_ERRORS,
        "Times that a schedule could not be fired; it is tried again and holds up no other"
    );
    metrics::describe_counter!(DB_ERRORS, "Statements of the queue's own tasks that failed and are retried, by task");
}

/// Milliseconds since then, for a log line.
pub(crate) fn millis(since: tokio::time::Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Counts a failed statement and logs it.
pub(crate) fn db_error(task: &'static str, error: &sqlx::Error) {
    metrics::counter!(DB_ERRORS, "task" => task).increment(1);
    tracing::warn!(task, %error, "statement failed, will be retried");
}

/// What a runner has seen since it started.
#[derive(Debug, Default)]
pub struct Counters {
    stale_completions: AtomicU64,
    rescued: AtomicU64,
    leases_lost: AtomicU64,
}

impl Counters {
    /// Reports refused because their claim was no longer held.
    #[must_use]
    pub fn stale_completions(&self) -> u64 {
        self.stale_completions.load(Ordering::Relaxed)
    }

    /// Jobs that this process took back from others.
    #[must_use]
    pub fn rescued(&self) -> u64 {
        self.rescued.load(Ordering::Relaxed)
    }

    /// Leases that this process gave up because they could not be confirmed in time.
    #[must_use]
    pub fn leases_lost(&self) -> u64 {
        self.leases_lost.load(Ordering::Relaxed)
    }

    pub(crate) fn count_stale(&self) {
        self.stale_completions.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(STALE).increment(1);
    }

    pub(crate) fn count_rescue(&self, reason: &str) {
        self.rescued.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(RESCUES, "reason" => reason.to_owned()).increment(1);
    }

    pub(crate) fn count_lost_lease(&self) {
        self.leases_lost.fetch_add(1, Ordering::Relaxed);
    }
}
