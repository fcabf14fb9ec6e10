//! `GET /api/v1/tenants/{id}/figures?grain=day&from=2026-03-01&to=2026-03-31`: hours,
//! days or months of a tenant, equal to its calls at the instant `as_of`.

use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_history::COUNTERS;
use tallyline_jobs::exact::{self, Figures, Grain, Question, Reading};
use uuid::Uuid;

use super::{found, problem};
use crate::accounts::Principal;

/// Longest ranges, so that one request has a bounded cost.
const MOST_DAYS: [(Grain, i64); 3] = [(Grain::Hour, 62), (Grain::Day, 800), (Grain::Month, 36_600)];
/// Marked quarters that a request counts live; beyond, it gets stored figures and is told so.
const MOST_MARKED: i32 = 500;

/// `from` and `to` are dates of the tenant's zone, both included: buckets that start on them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    grain: String,
    from: NaiveDate,
    to: NaiveDate,
    #[serde(default)]
    by_agent: bool,
    /// Percentiles and distinct contacts too.
    #[serde(default)]
    sets: bool,
}

/// The answer. `fresh`: the figures equal the calls at `as_of`; else they are
/// stored ones, `lag_seconds` behind. What was received before `complete_until` is
/// in them, unless it is in quarantine.
#[derive(Debug, Serialize)]
struct Answer {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    fresh: bool,
    lag_seconds: f64,
    figures: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
struct Bucket {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<Uuid>,
    bucket_start: DateTime<Utc>,
    bucket_end: DateTime<Utc>,
    date: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<i32>,
    #[serde(flatten)]
    counters: BTreeMap<&'static str, i64>,
    duration_p50_seconds: Option<i32>,
    duration_p95_seconds: Option<i32>,
    duration_p99_seconds: Option<i32>,
    distinct_contacts: Option<i32>,
}

impl From<Figures> for Bucket {
    fn from(figures: Figures) -> Self {
        Bucket {
            agent_id: figures.agent_id,
            bucket_start: figures.bucket_start,
            bucket_end: figures.bucket_end,
            date: figures.date,
            hour: figures.hour,
            counters: COUNTERS.into_iter().zip(figures.counters).collect(),
            duration_p50_seconds: figures.duration_p50,
            duration_p95_seconds: figures.duration_p95,
            duration_p99_seconds: figures.duration_p99,
            distinct_contacts: figures.distinct_contacts,
        }
    }
}

pub(super) async fn read(
    State(pool): State<PgPool>,
    principal: Principal,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Ok(Query(asked)) = asked else {
        return problem(StatusCode::BAD_REQUEST, "asked for are grain, from and to (dates), by_agent, sets");
    };
    // Somebody else's tenant is no tenant.
    let Some(user_id) = id.parse::<Uuid>().ok().filter(|id| principal.may_read(*id)) else {
        return problem(StatusCode::NOT_FOUND, "no such tenant");
    };
    let Some((grain, most)) = MOST_DAYS.into_iter().find(|(grain, _)| grain.as_str() == asked.grain) else {
        return problem(StatusCode::BAD_REQUEST, "grain is hour, day or month");
    };
    if asked.from > asked.to || asked.to - asked.from >= TimeDelta::days(most) {
        return problem(
            StatusCode::BAD_REQUEST,
            "a range has up to 62 days of hours, 800 of days, 100 years of months",
        );
    }
    match answer(&pool, user_id, grain, &asked).await {
        Ok(Some(reading)) => found(reading),
        Ok(None) => problem(StatusCode::NOT_FOUND, "no such tenant"),
        Err(error) => {
            tracing::error!(%error, "the API could not read figures");
            problem(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}

async fn answer(pool: &PgPool, user_id: Uuid, grain: Grain, asked: &Asked) -> Result<Option<Answer>, sqlx::Error> {
    let range = sqlx::query_file!("sql/exact/range.sql", user_id, asked.from, asked.to).fetch_optional(pool).await?;
    let Some(range) = range else { return Ok(None) };
    let (from, to) = (range.from_time.unwrap_or_default(), range.to_time.unwrap_or_default());
    let question = Question {
        user_id,
        grain,
        from,
        to,
        by_agent: asked.by_agent,
        with_sets: asked.sets,
        at_most_marked: MOST_MARKED,
    };
    // Before the figures: what waited then is not promised below.
    let waiting = sqlx::query_file!("sql/dashboard/freshness.sql", user_id, 1).fetch_one(pool).await?;
    let Reading { as_of, fresh, lag_seconds, rows } = exact::read(pool, &question).await?;
    let counted_until = as_of - TimeDelta::milliseconds((lag_seconds * 1000.0) as i64);
    let complete_until = waiting.oldest_event_at.map_or(counted_until, |oldest| oldest.min(counted_until));
    let figures = rows.into_iter().map(Bucket::from).collect();
    Ok(Some(Answer { as_of, complete_until, fresh, lag_seconds, figures }))
}
