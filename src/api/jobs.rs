//! Jobs and dead letters: list, show, retry, cancel, discard. For operators.

use std::sync::Arc;

use axum::extract::State;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tallyline_queue::admin::{self, JobDetails, JobLine, Listing, Standing, State as JobState};
use tallyline_queue::store::{self, Cancelled};
use tallyline_queue::{QueueError, announce_cancel, announce_jobs};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Change, Changer, Given, Item, Operator, record};
use super::page::{Answer, Cursor, Found, Page, lines};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const GROUP: &str = "Jobs";
/// Attempts that are shown of a job.
const ATTEMPTS: i64 = 100;
/// How far back attempts are looked at, unless told, and at most.
const DEFAULT_HOURS: i64 = 24;
const MOST_HOURS: i64 = 24 * 366;
const NO_JOB: Fault = Fault::NotFound("no such job");

pub(super) fn routes() -> Routes {
    let steer = |what: &str| about(GROUP, what).answers::<Became>().changes().problem(409);
    Routes::new()
        .get(
            "/api/v1/jobs",
            list,
            about(GROUP, "Jobs of a state, dead letters, or attempts by how they ended")
                .asked::<JobsAsked>()
                .answers::<Page<Line>>()
                .problem(404),
        )
        .get("/api/v1/jobs/{item}", show, about(GROUP, "A job, its letters and attempts").answers::<Job>())
        .post("/api/v1/jobs/{item}/retry", retry, steer("A dead letter is a job again; a delayed job is due"))
        .post("/api/v1/jobs/{item}/cancel", cancel, steer("Remove it, or ask its process to end it").given::<Why>())
        .post("/api/v1/jobs/{item}/discard", discard, steer("Remove its dead letters for good").given::<Why>())
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct JobsAsked {
    /// live, waiting, delayed, running, dead, succeeded, failed, interrupted, snoozed, lost, cancelled or discarded;
    /// by default live
    state: Option<String>,
    kind: Option<String>,
    queue: Option<String>,
    tenant: Option<Uuid>,
    /// Of attempts: within so many hours, by default 24
    hours: Option<i64>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A job, a dead letter or an attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
struct Line(JobLine);

/// A job.
#[derive(Debug, Serialize, ToSchema)]
struct Job {
    #[schema(value_type = Object)]
    job: JobDetails,
}

/// Why, for whoever looks at it later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    pub(super) reason: String,
}

impl Why {
    /// The reason, which has to be one.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        let reason = self.reason.trim();
        let good = !reason.is_empty() && reason.chars().count() <= 500;
        if good { Ok(reason) } else { Err(Fault::bad("reason has 1 to 500 characters")) }
    }
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
struct Became {
    job_id: i64,
    /// replayed, joined, due_now, is_due, runs, removed, requested or discarded
    became: &'static str,
    /// The job that does its work now.
    now_id: i64,
}

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Database(error) => Fault::Database(error),
            QueueError::Place => Fault::bad("cursor is not one of this list"),
            QueueError::UnknownSchedule { .. } => Fault::NotFound("no such schedule"),
            QueueError::Busy => Fault::Conflict(error.to_string()),
            error => Fault::bad(error.to_string()),
        }
    }
}

async fn list(State(gate): State<Arc<Gate>>, _: Operator, Asked(asked): Asked<JobsAsked>) -> Answer<Page<Line>> {
    let lines = lines(asked.limit)?;
    let hours = asked.hours.unwrap_or(DEFAULT_HOURS);
    if !(1..=MOST_HOURS).contains(&hours) {
        return Err(Fault::bad("hours is 1 to 8784"));
    }
    let state = asked.state.as_deref().unwrap_or("live");
    let state = state.parse::<JobState>().map_err(|error| Fault::bad(error.to_string()))?;
    let cursor = Cursor { list: "jobs", tenant: asked.tenant.unwrap_or_default() };
    let mut db = gate.pool.acquire().await?;
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *db).await?;
    let listing = Listing {
        state,
        kind: asked.kind,
        queue: asked.queue,
        tenant: asked.tenant,
        since: now - TimeDelta::hours(hours),
        since_for_all: asked.hours.is_some(),
        limit: lines,
        before: cursor.read::<String>(asked.cursor.as_deref())?,
    };
    let page = admin::list(&mut db, &listing).await?;
    let next = page.next.map(|place| cursor.write(&place));
    Ok(Found(Page { items: page.jobs.into_iter().map(Line).collect(), next }))
}

async fn show(State(gate): State<Arc<Gate>>, _: Operator, Item(id): Item<i64>) -> Answer<Job> {
    let job = admin::show(&mut *gate.pool.acquire().await?, id, ATTEMPTS).await?.ok_or(NO_JOB)?;
    Ok(Found(Job { job }))
}

/// How a job stands.
async fn standing(db: &mut PgConnection, job: i64) -> Result<Standing, Fault> {
    let standing = admin::standing(db, &[job]).await?.pop();
    standing.filter(|s| s.live.is_some() || !s.letters.is_empty() || s.last_outcome.is_some()).ok_or(NO_JOB)
}

fn refused(standing: &Standing) -> Fault {
    Fault::Conflict(match (&standing.live, standing.letters.is_empty(), &standing.last_outcome) {
        (Some(live), ..) => format!("the job is {live}"),
        (None, false, _) => "the job is a dead letter".to_owned(),
        (None, true, outcome) => format!("the job has ended: {}", outcome.as_deref().unwrap_or("unknown")),
    })
}

fn busy() -> Fault {
    Fault::Conflict("another transaction holds the job; try again".to_owned())
}

async fn entered(
    db: &mut PgConnection,
    changer: &Changer,
    action: &str,
    (job, tenant): (i64, Option<Uuid>),
    details: Value,
) -> Result<(), Fault> {
    let change = Change { action, of: ("job", job.to_string()), tenant, details };
    Ok(record(db, &changer.principal, &changer.source, change).await?)
}

async fn retry(State(gate): State<Arc<Gate>>, changer: Changer, Item(job): Item<i64>) -> Answer<Became> {
    let mut tx = gate.pool.begin().await?;
    let standing = standing(&mut tx, job).await?;
    let (became, now_id) = match standing.live.as_deref() {
        _ if !standing.letters.is_empty() => {
            let replayed = admin::replay(&mut tx, &standing.letters).await?;
            let last = replayed.last().ok_or_else(busy)?;
            let details = json!({ "letters": replayed.len(), "now": last.now_id });
            entered(&mut tx, &changer, "job.replay", (job, last.tenant), details).await?;
            let joined = last.now_id != job || standing.live.is_some();
            (if joined { "joined" } else { "replayed" }, last.now_id)
        }
        Some("running") => ("runs", job),
        Some("waiting") => ("is_due", job),
        Some(_) => {
            let changed = admin::due_now(&mut tx, &[job]).await?.pop().ok_or_else(busy)?;
            entered(&mut tx, &changer, "job.due_now", (job, changed.tenant), json!({})).await?;
            ("due_now", job)
        }
        None => return Err(refused(&standing)),
    };
    tx.commit().await?;
    // Who cannot be told finds them by polling.
    let _ = announce_jobs(&gate.pool).await;
    Ok(Found(Became { job_id: job, became, now_id }))
}

async fn cancel(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Item(job): Item<i64>,
    Given(why): Given<Why>,
) -> Answer<Became> {
    let reason = why.text()?;
    let mut tx = gate.pool.begin().await?;
    let cancelled = store::cancel_many(&mut *tx, &[job], reason).await?;
    let Some(cancelled) = cancelled.first() else {
        let standing = standing(&mut tx, job).await?;
        return Err(if standing.live.is_some() { busy() } else { refused(&standing) });
    };
    let ran = cancelled.became == Cancelled::Requested;
    let details = json!({ "reason": reason, "ran": ran });
    entered(&mut tx, &changer, "job.cancel", (job, cancelled.tenant), details).await?;
    tx.commit().await?;
    let _ = announce_cancel(&gate.pool).await;
    Ok(Found(Became { job_id: job, became: if ran { "requested" } else { "removed" }, now_id: job }))
}

async fn discard(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Item(job): Item<i64>,
    Given(why): Given<Why>,
) -> Answer<Became> {
    let reason = why.text()?;
    let mut tx = gate.pool.begin().await?;
    let standing = standing(&mut tx, job).await?;
    if standing.letters.is_empty() {
        return Err(refused(&standing));
    }
    let gone = admin::discard(&mut tx, &standing.letters, reason).await?;
    let last = gone.last().ok_or_else(busy)?;
    let details = json!({ "reason": reason, "letters": gone.len() });
    entered(&mut tx, &changer, "job.discard", (job, last.tenant), details).await?;
    tx.commit().await?;
    Ok(Found(Became { job_id: job, became: "discarded", now_id: job }))
}
