//! The task that writes how attempts ended, many in one statement.

use std::{borrow::Borrow, collections::HashMap, sync::Arc, time::Duration};

use sqlx::PgPool;
use tallyline_failpoints::{Point, pass};
use tokio::sync::mpsc;

use crate::{
    claimer::{InFlight, in_time},
    hint::Hint,
    job::JobInfo,
    pace::Pace,
    store::{self, Report, Verdict},
    telemetry::{CRON_SUCCESS, Counters, DURATION, FINISHED, db_error},
    timing::{POLL_LEAST, RETRY_GREATEST},
};

/// Reports per statement.
const BATCH: usize = 500;

/// Pause before a report is repeated whose row another transaction has locked.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// An attempt that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) info: Arc<JobInfo>,
    pub(crate) report: Report,
    /// It holds a permit of its tenant, which another job may be waiting for.
    pub(crate) capped: bool,
    /// When the handler completed the job in its own transaction, Unix time; the
    /// report only holds if that one did not commit.
    pub(crate) settled_at: Option<f64>,
    /// Sent before without an answer: it may have been applied.
    pub(crate) resent: bool,
}

pub(crate) struct Completer {
    pub(crate) db: PgPool,
    pub(crate) finished: mpsc::Receiver<Finished>,
    pub(crate) in_flight: InFlight,
    pub(crate) counters: Arc<Counters>,
    /// Rung when a permit of a tenant is free again.
    pub(crate) hint: Hint,
    /// Kinds whose successes are the successes of a schedule.
    pub(crate) scheduled_kinds: Arc<[String]>,
}

impl Completer {
    /// Runs until all senders are gone and everything is written.
    pub(crate) async fn run(mut self) {
        let mut pace = Pace::new(POLL_LEAST, RETRY_GREATEST);
        let mut open = true;
        // Reports to be repeated.
        let mut again: Vec<Finished> = Vec::new();
        while open || !again.is_empty() {
            let mut batch = std::mem::take(&mut again);
            if batch.is_empty() {
                open = self.finished.recv_many(&mut batch, BATCH).await > 0;
            } else if open {
                // Whatever comes next takes the repeated ones along.
                let room = BATCH.saturating_sub(batch.len()).max(1);
                let more = self.finished.recv_many(&mut batch, room);
                if let Ok(0) = tokio::time::timeout(BUSY_PAUSE, more).await {
                    open = false;
                }
            } else {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            again = self.write(batch, &mut pace).await;
        }
    }

    /// Writes a batch; returns what must be repeated.
    async fn write(&self, mut batch: Vec<Finished>, pace: &mut Pace) -> Vec<Finished> {
        if batch.is_empty() {
            return batch;
        }
        // A handler's own transaction may still hold its row, and what was in the
        // way the last time may be in the way again: neither is worth a wait.
        let outright = batch.iter().all(|f| f.settled_at.is_none() && !f.resent);
        match in_time(self.complete(&batch, outright)).await {
            Ok(verdicts) => {
                pace.reset();
                let mut tally = Tally::default();
                let again: Vec<Finished> = batch
                    .into_iter()
                    .zip(verdicts)
                    .filter_map(|(f, verdict)| self.settle(f, verdict, &mut tally))
                    .collect();
                self.in_flight.remove_all(&tally.over);
                if tally.freed_permit {
                    self.hint.ring();
                }
                again
            }
            Err(error) if is_our_fault(&error) => self.split(batch, &error, pace).await,
            Err(error) => {
                db_error("complete", &error);
                for finished in &mut batch {
                    finished.resent = true;
                }
                tokio::time::sleep(pace.step()).await;
                batch
            }
        }
    }

    async fn complete(&self, reports: &[Finished], outright: bool) -> Result<Vec<Verdict>, sqlx::Error> {
        let mut connection = self.db.acquire().await?;
        pass::<sqlx::Error>(Point::JobsBeforeReport)?;
        let verdicts = store::complete(&mut connection, reports, outright).await?;
        pass::<sqlx::Error>(Point::JobsAfterReport)?;
        Ok(verdicts)
    }

    /// The statement itself is refused, and would be for ever: finds the report
    /// that is to blame and drops it. Its job is taken back after its deadline.
    async fn split(&self, mut batch: Vec<Finished>, error: &sqlx::Error, pace: &mut Pace) -> Vec<Finished> {
        if batch.len() > 1 {
            let second = batch.split_off(batch.len() / 2);
            let mut again = Box::pin(self.write(batch, pace)).await;
            again.extend(Box::pin(self.write(second, pace)).await);
            return again;
        }
        for finished in batch {
            tracing::error!(job_id = finished.info.id, kind = finished.info.kind, %error, "report refused and dropped");
            self.in_flight.remove(finished.info.id, finished.info.claim);
        }
        Vec::new()
    }

    /// Counts one verdict; gives the report back when it must be repeated.
    fn settle(&self, finished: Finished, verdict: Verdict, tally: &mut Tally) -> Option<Finished> {
        let Finished { info, report, settled_at, resent, capped } = &finished;
        let outcome = match (verdict, *settled_at) {
            (Verdict::Busy, _) => return Some(finished),
            (Verdict::Accepted { at_epoch_seconds }, _) => {
                let outcome = report.ending.outcome();
                if outcome == "succeeded" {
                    self.note_success(&info.kind, at_epoch_seconds);
                }
                Some(outcome)
            }
            // Gone, because the handler's transaction committed.
            (Verdict::Stale, Some(at_epoch_seconds)) => {
                self.note_success(&info.kind, at_epoch_seconds);
                Some("succeeded")
            }
            // Gone, most likely because the statement was applied before its answer got lost.
            (Verdict::Stale, None) if *resent => Some(report.ending.outcome()),
            (Verdict::Stale, None) => {
                self.counters.count_stale();
                tracing::warn!(job_id = info.id, kind = info.kind, claim = info.claim, "stale report refused");
                None
            }
        };
        tally.over.push((info.id, info.claim));
        tally.freed_permit |= *capped;
        if let Some(outcome) = outcome {
            log_end(info, report.duration, outcome);
            tally.count(&info.kind, outcome, report.duration);
        }
        None
    }

    fn note_success(&self, kind: &str, at_epoch_seconds: f64) {
        if self.scheduled_kinds.iter().any(|scheduled| scheduled == kind) {
            metrics::gauge!(CRON_SUCCESS, "kind" => kind.to_owned()).set(at_epoch_seconds);
        }
    }
}

/// What a batch adds to the metrics and to what is in flight.
#[derive(Default)]
struct Tally {
    over: Vec<(i64, i64)>,
    freed_permit: bool,
    /// Looked up once per batch; a batch seldom has many kinds.
    metrics: HashMap<String, (metrics::Histogram, HashMap<&'static str, metrics::Counter>)>,
}

impl Tally {
    fn count(&mut self, kind: &str, outcome: &'static str, duration: Duration) {
        if !self.metrics.contains_key(kind) {
            let durations = metrics::histogram!(DURATION, "kind" => kind.to_owned());
            self.metrics.insert(kind.to_owned(), (durations, HashMap::new()));
        }
        let Some((durations, outcomes)) = self.metrics.get_mut(kind) else { return };
        durations.record(duration.as_secs_f64());
        outcomes
            .entry(outcome)
            .or_insert_with(|| metrics::counter!(FINISHED, "kind" => kind.to_owned(), "outcome" => outcome))
            .increment(1);
    }
}

/// The one line of a run. Its error is kept with the job, since its text may quote data.
fn log_end(info: &JobInfo, duration: Duration, outcome: &str) {
    tracing::info!(
        job_id = info.id,
        kind = info.kind,
        attempt = info.attempt,
        tenant = info.user_id.map(tracing::field::display),
        outcome,
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        trace_id = format_args!("{:032x}", info.run_trace.trace_id),
        "job ended"
    );
}

impl Borrow<Report> for Finished {
    fn borrow(&self) -> &Report {
        &self.report
    }
}

/// SQLSTATE classes that blame the data or the statement: 22, 23, 54.
fn is_our_fault(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
}
