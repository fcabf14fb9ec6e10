//! Reporting how attempts ended.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::PgConnection;
use uuid::Uuid;

/// How an attempt ended, as the database is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Done. A coalesced job that was requested meanwhile becomes ready again.
    Succeeded,
    /// To be tried again after the delay.
    Failed {
        /// What went wrong.
        error: String,
        /// Delay from the database's time.
        retry_after: Duration,
    },
    /// Handed back: ready at once, and the attempt does not count.
    Interrupted,
    /// Handed back by its handler, to be run after the delay; the attempt does not count.
    Snoozed {
        /// Delay from the database's time.
        delay: Duration,
    },
    /// Ended because somebody asked for it.
    Cancelled,
    /// Never again: a dead letter.
    Dead {
        /// Why.
        reason: String,
    },
}

impl Ending {
    /// The word for it in `job_history` and in metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Interrupted => "interrupted",
            Self::Snoozed { .. } => "snoozed",
            Self::Cancelled => "cancelled",
            Self::Dead { .. } => "dead",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Succeeded | Self::Interrupted | Self::Snoozed { .. } | Self::Cancelled => None,
            Self::Failed { error, .. } => Some(error),
            Self::Dead { reason } => Some(reason),
        }
    }

    fn delay_seconds(&self) -> f64 {
        match self {
            Self::Failed { retry_after: delay, .. } | Self::Snoozed { delay } => delay.as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// One attempt and how it ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// Id of the job.
    pub job_id: i64,
    /// Number of the claim.
    pub claim: i64,
    /// Lease it was claimed under.
    pub lease_id: Uuid,
    /// Whether it has a key by which requests are coalesced.
    pub coalesced: bool,
    /// How it ended.
    pub ending: Ending,
    /// Run time of the handler.
    pub duration: Duration,
    /// The last lines that it logged, one per line.
    pub log: Option<String>,
}

impl Report {
    /// The claim that it speaks of: job, number, lease.
    fn of(&self) -> (i64, i64, Uuid) {
        (self.job_id, self.claim, self.lease_id)
    }
}

/// What the database said to a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It holds. The second of the database's clock at which it was written.
    Accepted {
        /// Unix time in seconds.
        at_epoch_seconds: f64,
    },
    /// Another transaction has the row locked (it requests the same key, say): report again.
    Busy,
    /// The claim is no longer held; nothing was changed.
    Stale,
}

/// Applies reports in one statement; the verdicts are in their order. Of several
/// reports of one claim the first counts, the others are [`Verdict::Stale`].
///
/// With `outright`, jobs that succeeded are deleted without a look whether another
/// transaction has them locked, and that one is waited for.
///
/// # Errors
/// Of the database. The reports may have been applied all the same; then
/// reporting them again gives [`Verdict::Stale`].
pub async fn complete<R: Borrow<Report>>(
    db: &mut PgConnection,
    reports: &[R],
    outright: bool,
) -> Result<Vec<Verdict>, sqlx::Error> {
    let all = reports;
    let mut seen = HashSet::with_capacity(all.len());
    let reports: Vec<&Report> = all.iter().map(Borrow::borrow).filter(|r| seen.insert(r.of())).collect();
    let ids: Vec<i64> = reports.iter().map(|r| r.job_id).collect();
    let claims: Vec<i64> = reports.iter().map(|r| r.claim).collect();
    let leases: Vec<Uuid> = reports.iter().map(|r| r.lease_id).collect();
    let outcomes: Vec<&str> = reports.iter().map(|r| r.ending.outcome()).collect();
    let errors: Vec<Option<String>> = reports.iter().map(|r| r.ending.error().map(crate::error::storable)).collect();
    let delays: Vec<f64> = reports.iter().map(|r| r.ending.delay_seconds()).collect();
    let durations: Vec<i64> =
        reports.iter().map(|r| i64::try_from(r.duration.as_millis()).unwrap_or(i64::MAX)).collect();
    let logs: Vec<Option<&str>> = reports.iter().map(|r| r.log.as_deref()).collect();
    let outright: Vec<bool> =
        reports.iter().map(|r| outright && !r.coalesced && r.ending == Ending::Succeeded).collect();
    let rows = sqlx::query_file!(
        "../../sql/queue/complete.sql",
        &ids,
        &claims,
        &leases,
        &outcomes as &[&str],
        &errors as &[Option<String>],
        &delays,
        &durations,
        &logs as &[Option<&str>],
        &outright,
    )
    .fetch_all(&mut *db)
    .await?;
    let mut verdicts: HashMap<_, _> = rows
        .into_iter()
        .map(|row| {
            let accepted = Verdict::Accepted { at_epoch_seconds: row.at_epoch_seconds };
            ((row.job_id, row.claim, row.lease_id), accepted)
        })
        .collect();
    if verdicts.len() < reports.len() {
        let held = sqlx::query_file!("../../sql/queue/still_held.sql", &ids, &claims, &leases).fetch_all(db).await?;
        for row in held {
            verdicts.entry((row.job_id, row.claim, row.lease_id)).or_insert(Verdict::Busy);
        }
    }
    // Taken out, so that it is given once.
    Ok(all.iter().map(|r| verdicts.remove(&r.borrow().of()).unwrap_or(Verdict::Stale)).collect())
}
