//! What happens in a history: one act each, and what the database answered.

use sqlx::{PgPool, Postgres, Transaction};
use tallyline_queue::{
    Enqueued, Job, JobContext, JobError, NewJob, Queue, QueueError,
    store::{self, Cancelled, ClaimTerms, ClaimedRow, LaneShare, Report, RescueTerms, Rescued, Verdict},
};
use uuid::Uuid;

use super::{
    MARGIN_UNITS, MAX_LOST, OTHER_DEADLINE_UNITS, TTL_UNITS, deadline_units,
    generate::{COALESCED, KINDS, units},
};

/// One call of the queue's interface, or something that befalls it.
#[derive(Debug, Clone)]
pub enum Act {
    /// A process starts, or takes a new lease after it lost one.
    Register {
        lease: Uuid,
    },
    /// A process is silent until its lease has ended.
    Expire {
        lease: Uuid,
    },
    Beat {
        lease: Uuid,
    },
    /// A lease is given up, whatever it holds.
    Release {
        lease: Uuid,
    },
    Enqueue {
        jobs: Vec<NewJob>,
        end: End,
    },
    Request {
        of: usize,
        key: &'static str,
        tenant: Option<Uuid>,
        delay_units: u64,
        end: End,
    },
    Claim {
        lease: Uuid,
        queue: &'static str,
        limit: usize,
    },
    /// A claim from lanes as they were some time ago.
    ClaimFrom {
        lease: Uuid,
        queue: &'static str,
        limit: usize,
        lanes: Vec<LaneShare>,
        capped: bool,
    },
    Report {
        reports: Vec<Report>,
        outright: bool,
    },
    /// As a handler does it, in its own transaction.
    ReportIn {
        report: Report,
        end: End,
    },
    ReleaseUnknown {
        lease: Uuid,
        queue: &'static str,
        known: Vec<i64>,
    },
    Rescue {
        limit: i64,
        thorough: bool,
    },
    Cancel {
        job: i64,
    },
    Pause {
        queue: &'static str,
        on: bool,
    },
    PauseKind {
        kind: &'static str,
        on: bool,
    },
    Cap {
        queue: &'static str,
        cap: Option<i32>,
    },
    Jump {
        units: i64,
    },
    FreePermits,
    SweepLeases,
    SweepKeys,
}

/// How a transaction ends, after so many statements more.
#[derive(Debug, Clone, Copy)]
pub struct End {
    pub commit: bool,
    pub dwell: usize,
}

/// What an act came to.
#[derive(Debug, Clone)]
pub enum Seen {
    Nothing,
    Flag(bool),
    Count(usize),
    Job(i64),
    Claimed(Vec<ClaimedRow>),
    Verdicts(Vec<Verdict>),
    Rescued(Vec<Rescued>),
    Cancelled(Cancelled),
    Enqueued(Vec<Enqueued>),
    /// Refused without an effect, as concurrent acts may be: a deadlock, or a key
    /// that was taken and freed too fast.
    Refused(String),
}

/// A coalesced kind.
macro_rules! coalesced {
    ($name:ident, $kind:literal, $queue:literal, $priority:literal, $attempts:literal) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        pub struct $name {}

        impl Job for $name {
            type State = ();
            const KIND: &'static str = $kind;
            const QUEUE: &'static str = $queue;
            const PRIORITY: i16 = $priority;
            const MAX_ATTEMPTS: i32 = $attempts;

            async fn run(self, _: JobContext<()>) -> Result<(), JobError> {
                Ok(())
            }
        }
    };
}
coalesced!(Gather, "gather", "a", 1, 3);
coalesced!(Settle, "settle", "b", 0, 2);

/// What a claimer says of itself.
pub fn terms(queue: &str) -> ClaimTerms {
    let deadlines = KINDS.iter().chain(&COALESCED).filter_map(|kind| {
        let seconds = units(deadline_units(kind)?).as_secs_f64();
        Some(((*kind).to_owned(), serde_json::Value::from(seconds)))
    });
    ClaimTerms { queue: queue.to_owned(), deadlines: deadlines.collect(), other_deadline: units(OTHER_DEADLINE_UNITS) }
}

/// Does it; the answer is what the database said.
pub async fn perform(act: &Act, db: &PgPool, admin: &PgPool) -> Result<Seen, sqlx::Error> {
    match attempt(act, db, admin).await {
        Err(QueueError::Busy) => Ok(Seen::Refused("busy".to_owned())),
        Err(QueueError::Database(error)) => {
            // 40P01: one of two transactions that wait for each other is ended.
            match error.as_database_error().and_then(|e| e.code()).as_deref() {
                Some("40P01") => Ok(Seen::Refused("deadlock".to_owned())),
                _ => Err(error),
            }
        }
        Err(other) => Err(sqlx::Error::Protocol(other.to_string())),
        Ok(seen) => Ok(seen),
    }
}

async fn attempt(act: &Act, db: &PgPool, admin: &PgPool) -> Result<Seen, QueueError> {
    Ok(match act {
        Act::Register { .. } | Act::Expire { .. } | Act::Beat { .. } | Act::Release { .. } => {
            lease(act, db, admin).await?
        }
        Act::Enqueue { jobs, end } => {
            let mut tx = db.begin().await?;
            let enqueued = Queue::new().enqueue_bulk(&mut tx, jobs).await?;
            finish(tx, *end).await?;
            Seen::Enqueued(enqueued)
        }
        Act::Request { of, key, tenant, delay_units, end } => {
            let mut tx = db.begin().await?;
            let (queue, delay) = (Queue::new(), units(*delay_units));
            let id = match of {
                0 => queue.request::<Gather>(&mut tx, key, *tenant, delay).await?,
                _ => queue.request::<Settle>(&mut tx, key, *tenant, delay).await?,
            };
            finish(tx, *end).await?;
            Seen::Job(id)
        }
        Act::Claim { lease, queue, limit } => Seen::Claimed(store::claim(db, &terms(queue), *lease, *limit).await?),
        Act::ClaimFrom { lease, queue, limit, lanes, capped } => {
            Seen::Claimed(store::claim_from(db, &terms(queue), *lease, *limit, lanes, *capped).await?)
        }
        Act::Report { reports, outright } => {
            Seen::Verdicts(store::complete(&mut *db.acquire().await?, reports, *outright).await?)
        }
        Act::ReportIn { report, end } => {
            let mut tx = db.begin().await?;
            let lock = "SELECT FROM tally.jobs WHERE id = $1 FOR UPDATE";
            sqlx::query(lock).bind(report.job_id).execute(&mut *tx).await?;
            let verdicts = store::complete(&mut tx, std::slice::from_ref(report), false).await?;
            finish(tx, *end).await?;
            Seen::Verdicts(verdicts)
        }
        Act::ReleaseUnknown { lease, queue, known } => {
            Seen::Count(store::release_unknown(db, queue, *lease, known).await?)
        }
        Act::Rescue { limit, thorough } => {
            let margin = units(MARGIN_UNITS);
            let (limit, max_lost, thorough) = (*limit, MAX_LOST, *thorough);
            let terms = RescueTerms { limit, deadline_margin: margin, max_lost, thorough, ..Default::default() };
            Seen::Rescued(store::rescue(db, &terms).await?)
        }
        Act::Cancel { job } => Seen::Cancelled(store::cancel(db, *job, "not wanted").await?),
        other => govern(other, db, admin).await?,
    })
}

async fn lease(act: &Act, db: &PgPool, admin: &PgPool) -> Result<Seen, QueueError> {
    Ok(match act {
        Act::Register { lease } => {
            store::register_lease(db, *lease, "model", units(TTL_UNITS)).await?;
            Seen::Nothing
        }
        Act::Expire { lease } => {
            let end = "UPDATE tally.job_leases SET expires_at = now() - interval '1000 seconds' WHERE lease_id = $1";
            sqlx::query(end).bind(lease).execute(admin).await?;
            Seen::Nothing
        }
        Act::Beat { lease } => Seen::Flag(store::beat(db, *lease, units(TTL_UNITS)).await?),
        Act::Release { lease } => {
            store::release_lease(db, *lease).await?;
            Seen::Nothing
        }
        _ => Seen::Nothing,
    })
}

/// What is done to the queue as a whole.
async fn govern(act: &Act, db: &PgPool, admin: &PgPool) -> Result<Seen, QueueError> {
    let mut connection = db.acquire().await?;
    let queues = Queue::new();
    match act {
        Act::Pause { queue, on: true } => queues.pause(&mut connection, queue, "model").await?,
        Act::Pause { queue, on: false } => return Ok(Seen::Flag(queues.resume(&mut connection, queue).await?)),
        Act::PauseKind { kind, on: true } => queues.pause_kind(&mut connection, kind, "model").await?,
        Act::PauseKind { kind, on: false } => return Ok(Seen::Flag(queues.resume_kind(&mut connection, kind).await?)),
        Act::Cap { queue, cap } => queues.cap_tenants(&mut connection, queue, *cap).await?,
        Act::Jump { units } => {
            let seconds = (*units * super::UNIT_SECONDS) as f64;
            sqlx::query(include_str!("shift.sql")).bind(seconds).execute(admin).await?;
        }
        Act::FreePermits => return Ok(Seen::Count(store::free_permits(db).await? as usize)),
        Act::SweepLeases => return Ok(Seen::Count(store::sweep_leases(db).await? as usize)),
        // As the maintainer does it.
        Act::SweepKeys => {
            sqlx::query("DELETE FROM tally.job_keys WHERE expires_at < now()").execute(&mut *connection).await?;
        }
        _ => {}
    }
    Ok(Seen::Nothing)
}

async fn finish(mut tx: Transaction<'static, Postgres>, end: End) -> Result<(), sqlx::Error> {
    for _ in 0..end.dwell {
        sqlx::query("SELECT 1").execute(&mut *tx).await?;
    }
    match end.commit {
        true => tx.commit().await,
        false => tx.rollback().await,
    }
}
