//! Queues and schedules: list, pause, resume, run. For operators.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tallyline_queue::admin::{self, PausedKind, QueueLine, WorkerLine};
use tallyline_queue::schedules::{self, FireView, RunNow, ScheduleView};
use tallyline_queue::{Queue, announce_jobs};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Asked, Change, Changer, Given, Item, Operator, record};
use super::jobs::Why;
use super::page::{Answer, Done, Found, lines};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const QUEUES: &str = "Queues";
const SCHEDULES: &str = "Schedules";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/api/v1/queues",
            queues,
            about(QUEUES, "Queues, paused kinds, processes").answers::<Queues>().problem(404),
        )
        .post(
            "/api/v1/queues/{item}/pause",
            pause_queue,
            about(QUEUES, "Begin no more of its jobs").given::<Why>().changes(),
        )
        .post("/api/v1/queues/{item}/resume", resume_queue, about(QUEUES, "Let it go on").changes())
        .get("/api/v1/schedules", list, about(SCHEDULES, "What runs by the clock").answers::<Schedules>().problem(404))
        .get(
            "/api/v1/schedules/{item}/history",
            history,
            about(SCHEDULES, "Its newest fires and their jobs").asked::<HistoryAsked>().answers::<History>(),
        )
        .post(
            "/api/v1/schedules/{item}/run",
            run,
            about(SCHEDULES, "Enqueue its job now").given::<Forced>().answers::<Ran>().changes().problem(409),
        )
        .post("/api/v1/schedules/{item}/pause", pause, about(SCHEDULES, "Fire it no more").given::<Why>().changes())
        .post("/api/v1/schedules/{item}/resume", resume, about(SCHEDULES, "Fire it again").changes())
}

/// Queues, kinds that are paused, and the processes that take jobs.
#[derive(Debug, Serialize, ToSchema)]
struct Queues {
    #[schema(value_type = Vec<Object>)]
    queues: Vec<QueueLine>,
    #[schema(value_type = Vec<Object>)]
    paused_kinds: Vec<PausedKind>,
    #[schema(value_type = Vec<Object>)]
    processes: Vec<WorkerLine>,
}

/// Schedules by name.
#[derive(Debug, Serialize, ToSchema)]
struct Schedules {
    #[schema(value_type = Vec<Object>)]
    schedules: Vec<ScheduleView>,
}

/// Which fires.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct HistoryAsked {
    /// 1 to 200, by default 50
    limit: Option<i64>,
}

/// Fires, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct History {
    #[schema(value_type = Vec<Object>)]
    fires: Vec<FireView>,
}

/// How to run it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forced {
    /// Even while an earlier job of it lives.
    #[serde(default)]
    force: bool,
}

/// Its job.
#[derive(Debug, Serialize, ToSchema)]
struct Ran {
    job_id: i64,
}

fn known_queues() -> Result<Vec<&'static str>, Fault> {
    Ok(tallyline_jobs::registry()?.queues())
}

async fn queues(State(gate): State<Arc<Gate>>, _: Operator) -> Answer<Queues> {
    let mut db = gate.pool.acquire().await?;
    let queues = admin::queues(&mut db, &known_queues()?).await?;
    let paused_kinds = admin::paused_kinds(&mut db).await?;
    Ok(Found(Queues { queues, paused_kinds, processes: admin::workers(&mut db).await? }))
}

/// Fails unless jobs wait in this queue, or processes take jobs from it.
async fn known(db: &mut PgConnection, name: &str) -> Result<(), Fault> {
    let queues = admin::queues(db, &known_queues()?).await?;
    if queues.iter().any(|line| line.queue == name) { Ok(()) } else { Err(Fault::NotFound("no such queue")) }
}

async fn entered(
    db: &mut PgConnection,
    changer: &Changer,
    action: &str,
    of: (&str, &str),
    details: Value,
) -> Result<(), Fault> {
    let change = Change { action, of: (of.0, of.1.to_owned()), tenant: None, details };
    Ok(record(db, &changer.principal, &changer.source, change).await?)
}

async fn pause_queue(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Item(name): Item<String>,
    Given(why): Given<Why>,
) -> Result<Done, Fault> {
    let reason = why.text()?;
    let mut tx = gate.pool.begin().await?;
    known(&mut tx, &name).await?;
    Queue::new().pause(&mut tx, &name, reason).await?;
    entered(&mut tx, &changer, "queue.pause", ("queue", &name), json!({ "reason": reason })).await?;
    tx.commit().await?;
    Ok(Done)
}

async fn resume_queue(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Item(name): Item<String>,
) -> Result<Done, Fault> {
    let mut tx = gate.pool.begin().await?;
    known(&mut tx, &name).await?;
    if Queue::new().resume(&mut tx, &name).await? {
        entered(&mut tx, &changer, "queue.resume", ("queue", &name), json!({})).await?;
    }
    tx.commit().await?;
    // Who cannot be told finds its jobs by polling.
    let _ = announce_jobs(&gate.pool).await;
    Ok(Done)
}

async fn list(State(gate): State<Arc<Gate>>, _: Operator) -> Answer<Schedules> {
    Ok(Found(Schedules { schedules: schedules::list(&gate.pool).await? }))
}

async fn history(
    State(gate): State<Arc<Gate>>,
    _: Operator,
    Item(name): Item<String>,
    Asked(asked): Asked<HistoryAsked>,
) -> Answer<History> {
    Ok(Found(History { fires: schedules::history(&gate.pool, &name, lines(asked.limit)?).await? }))
}

async fn run(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Item(name): Item<String>,
    Given(given): Given<Forced>,
) -> Answer<Ran> {
    let mut tx = gate.pool.begin().await?;
    let job_id = match schedules::run_now(&mut tx, &name, given.force).await? {
        RunNow::Enqueued { job_id } => job_id,
        RunNow::StillLives { .. } => return Err(Fault::Conflict("its last job has not ended".to_owned())),
    };
    let details = json!({ "job_id": job_id, "forced": given.force });
    entered(&mut tx, &changer, "schedule.run", ("schedule", &name), details).await?;
    tx.commit().await?;
    let _ = announce_jobs(&gate.pool).await;
    Ok(Found(Ran { job_id }))
}

async fn pause(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Item(name): Item<String>,
    Given(why): Given<Why>,
) -> Result<Done, Fault> {
    let reason = why.text()?;
    let mut tx = gate.pool.begin().await?;
    if schedules::pause(&mut tx, &name, reason).await? {
        entered(&mut tx, &changer, "schedule.pause", ("schedule", &name), json!({ "reason": reason })).await?;
    }
    tx.commit().await?;
    Ok(Done)
}

async fn resume(State(gate): State<Arc<Gate>>, changer: Changer, Item(name): Item<String>) -> Result<Done, Fault> {
    let mut tx = gate.pool.begin().await?;
    if let Some(passed) = schedules::resume(&mut tx, &name).await? {
        let details = json!({ "passed_by": passed });
        entered(&mut tx, &changer, "schedule.resume", ("schedule", &name), details).await?;
    }
    tx.commit().await?;
    Ok(Done)
}
