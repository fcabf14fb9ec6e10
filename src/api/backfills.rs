//! Backfills: list, show, preview, start, pause, resume, cancel. For operators.

use std::sync::Arc;

use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tallyline_jobs::backfill::{self, BackfillError, Plan, Progress, Request};
use utoipa::ToSchema;
use uuid::Uuid;

use super::extract::{Change, Changer, Given, Item, Operator, record};
use super::page::{Answer, Done, Found, Made};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const GROUP: &str = "Backfills";
/// Backfills in one answer.
const NEWEST: i64 = 100;
/// Units with a fault in one answer.
const FAULTS: i64 = 100;
/// Up to so many calls go by marks, more by a scan.
const SHORT_CALLS: i64 = 100_000;

pub(super) fn routes() -> Routes {
    let steer = |what: &str| about(GROUP, what).changes().problem(409);
    Routes::new()
        .get("/api/v1/backfills", list, about(GROUP, "The newest backfills").answers::<Backfills>().problem(404))
        .get("/api/v1/backfills/{item}", show, about(GROUP, "A backfill and its faults").answers::<Backfill>())
        .post(
            "/api/v1/backfills/preview",
            preview,
            about(GROUP, "What a backfill would do").given::<NewBackfill>().answers::<Planned>().problem(404),
        )
        .post(
            "/api/v1/backfills",
            start,
            about(GROUP, "Start a backfill").given::<NewBackfill>().makes::<Started>().changes().problem(404),
        )
        .post("/api/v1/backfills/{item}/pause", pause, steer("Begin no further unit"))
        .post("/api/v1/backfills/{item}/resume", resume, steer("Go on, and try failed units again"))
        .post("/api/v1/backfills/{item}/cancel", cancel, steer("End it; what was done stays done"))
}

/// Backfills, the newest first, up to 100.
#[derive(Debug, Serialize, ToSchema)]
struct Backfills {
    #[schema(value_type = Vec<Object>)]
    backfills: Vec<Progress>,
}

/// A backfill.
#[derive(Debug, Serialize, ToSchema)]
struct Backfill {
    #[schema(value_type = Object)]
    backfill: Progress,
    /// Units that failed or were tried more than once, up to 100.
    #[schema(value_type = Vec<Object>)]
    faults: Vec<backfill::Fault>,
}

/// What is to be made anew.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBackfill {
    /// Only this tenant.
    tenant: Option<Uuid>,
    /// In each tenant's zone; without: that of the first call.
    first_day: Option<NaiveDate>,
    /// Itself included; without: that of the last call.
    last_day: Option<NaiveDate>,
    /// missing, stale or all
    mode: String,
    /// marks or scan; without: by size
    method: Option<String>,
    max_calls_per_second: Option<i32>,
    #[serde(default)]
    reason: String,
}

/// What it comes to.
#[derive(Debug, Serialize, ToSchema)]
struct Planned {
    #[schema(value_type = Object)]
    plan: Plan,
}

/// A backfill that was started.
#[derive(Debug, Serialize, ToSchema)]
struct Started {
    id: Uuid,
    #[schema(value_type = Object)]
    plan: Plan,
}

impl From<BackfillError> for Fault {
    fn from(error: BackfillError) -> Self {
        match error {
            BackfillError::Database(error) => Fault::Database(error),
            BackfillError::UnknownBackfill(_) => Fault::NotFound("no such backfill"),
            BackfillError::UnknownTenant(_) => Fault::NotFound("no such tenant"),
            BackfillError::NotNow(_) => Fault::Conflict(error.to_string()),
            error => Fault::bad(error.to_string()),
        }
    }
}

impl NewBackfill {
    fn request(self) -> Result<Request, Fault> {
        if self.first_day.zip(self.last_day).is_some_and(|(first, last)| first > last) {
            return Err(Fault::bad("first_day lies after last_day"));
        }
        if self.max_calls_per_second.is_some_and(|calls| calls < 1) {
            return Err(Fault::bad("max_calls_per_second is above zero"));
        }
        Ok(Request {
            tenant: self.tenant,
            first_day: self.first_day,
            last_day: self.last_day,
            mode: self.mode.parse().map_err(|_| Fault::bad("mode is missing, stale or all"))?,
            method: match self.method.as_deref().map(str::parse) {
                None => None,
                Some(method) => Some(method.map_err(|_| Fault::bad("method is marks or scan"))?),
            },
            short_calls: SHORT_CALLS,
            max_calls_per_second: self.max_calls_per_second,
            reason: self.reason,
        })
    }
}

async fn list(State(gate): State<Arc<Gate>>, _: Operator) -> Answer<Backfills> {
    Ok(Found(Backfills { backfills: backfill::list(&gate.pool, NEWEST).await? }))
}

async fn show(State(gate): State<Arc<Gate>>, _: Operator, Item(id): Item<Uuid>) -> Answer<Backfill> {
    let backfill = backfill::show(&gate.pool, id).await?;
    Ok(Found(Backfill { backfill, faults: backfill::faults(&gate.pool, id, FAULTS).await? }))
}

async fn preview(State(gate): State<Arc<Gate>>, _: Operator, Given(given): Given<NewBackfill>) -> Answer<Planned> {
    Ok(Found(Planned { plan: backfill::preview(&gate.pool, &given.request()?).await? }))
}

async fn start(
    State(gate): State<Arc<Gate>>,
    changer: Changer,
    Given(given): Given<NewBackfill>,
) -> Result<Made<Started>, Fault> {
    let request = given.request()?;
    let prepared = backfill::prepare(&gate.pool, &request).await?;
    let details = json!({ "mode": request.mode, "first_day": request.first_day, "last_day": request.last_day,
        "reason": request.reason, "units": prepared.plan.units });
    let mut tx = gate.pool.begin().await?;
    let id = prepared.begin(&mut tx).await?;
    entered(&mut tx, &changer, "backfill.start", (id, request.tenant), details).await?;
    tx.commit().await?;
    Ok(Made(Started { id, plan: prepared.plan }))
}

async fn pause(State(gate): State<Arc<Gate>>, changer: Changer, Item(id): Item<Uuid>) -> Result<Done, Fault> {
    steer(&gate, &changer, id, backfill::Change::Pause, "backfill.pause").await
}

async fn resume(State(gate): State<Arc<Gate>>, changer: Changer, Item(id): Item<Uuid>) -> Result<Done, Fault> {
    steer(&gate, &changer, id, backfill::Change::Resume, "backfill.resume").await
}

async fn cancel(State(gate): State<Arc<Gate>>, changer: Changer, Item(id): Item<Uuid>) -> Result<Done, Fault> {
    steer(&gate, &changer, id, backfill::Change::Cancel, "backfill.cancel").await
}

async fn steer(
    gate: &Gate,
    changer: &Changer,
    id: Uuid,
    change: backfill::Change,
    action: &str,
) -> Result<Done, Fault> {
    let mut tx = gate.pool.begin().await?;
    let changed = backfill::change_in(&mut tx, id, change).await?;
    let details = json!({ "before": changed.before, "after": changed.after });
    entered(&mut tx, changer, action, (id, changed.tenant), details).await?;
    tx.commit().await?;
    Ok(Done)
}

async fn entered(
    db: &mut PgConnection,
    changer: &Changer,
    action: &str,
    (id, tenant): (Uuid, Option<Uuid>),
    details: Value,
) -> Result<(), Fault> {
    let change = Change { action, of: ("backfill", id.to_string()), tenant, details };
    Ok(record(db, &changer.principal, &changer.source, change).await?)
}
