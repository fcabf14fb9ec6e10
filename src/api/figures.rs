//! `GET /api/v1/tenants/{id}/figures?grain=day&from=2026-03-01&to=2026-03-31`: hours,
//! days or months of a tenant, equal to its calls at the instant `as_of`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tallyline_history::COUNTERS;
use tallyline_jobs::exact::{self, Figures, Grain, Question, Reading};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Tenant};
use super::page::Tag;
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

/// Longest ranges, so that one request has a bounded cost.
const MOST_DAYS: [(Grain, i64); 3] = [(Grain::Hour, 62), (Grain::Day, 800), (Grain::Month, 36_600)];
/// Marked quarters that a request counts live; beyond, it gets stored figures and is told so.
const MOST_MARKED: i32 = 500;

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/api/v1/tenants/{id}/figures",
        read,
        about("Figures", "Hours, days or months, equal to the calls at the instant as_of")
            .asked::<FiguresAsked>()
            .answers::<ExactFigures>()
            .tagged(),
    )
}

/// `from` and `to` are dates of the tenant's zone, both included: buckets that start on them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct FiguresAsked {
    /// hour (up to 62 days), day (800 days) or month (100 years)
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
#[derive(Debug, Serialize, ToSchema)]
struct ExactFigures {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    fresh: bool,
    lag_seconds: f64,
    figures: Vec<Bucket>,
}

/// One hour, day or month, of the tenant or of an agent.
#[derive(Debug, Serialize, ToSchema)]
struct Bucket {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<Uuid>,
    bucket_start: DateTime<Utc>,
    bucket_end: DateTime<Utc>,
    date: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<i32>,
    /// total_calls, successful_calls, talk_seconds, credits_micros and the other counters.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, i64>)]
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

async fn read(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    headers: HeaderMap,
    Asked(asked): Asked<FiguresAsked>,
) -> Result<Response, Fault> {
    let Some((grain, most)) = MOST_DAYS.into_iter().find(|(grain, _)| grain.as_str() == asked.grain) else {
        return Err(Fault::bad("grain is hour, day or month"));
    };
    if asked.from > asked.to || asked.to - asked.from >= TimeDelta::days(most) {
        return Err(Fault::bad("a range has up to 62 days of hours, 800 of days, 100 years of months"));
    }
    let range =
        sqlx::query_file!("sql/exact/range.sql", tenant.id, asked.from, asked.to).fetch_optional(&gate.pool).await?;
    let range = range.ok_or(Fault::NotFound("no such tenant"))?;
    let question = Question {
        user_id: tenant.id,
        grain,
        from: range.from_time.unwrap_or_default(),
        to: range.to_time.unwrap_or_default(),
        by_agent: asked.by_agent,
        with_sets: asked.sets,
        at_most_marked: MOST_MARKED,
    };
    let tag = tag(&gate.pool, &tenant, &asked, &question).await?;
    if tag.is_held(&headers) {
        return Ok(tag.held());
    }
    Ok(tag.of(answer(&gate.pool, &question).await?))
}

/// Read before the figures: a tag may be older than what it stands for, never newer.
async fn tag(pool: &PgPool, tenant: &Tenant, asked: &FiguresAsked, question: &Question) -> Result<Tag, sqlx::Error> {
    let tier: i16 = match question.grain {
        Grain::Hour => 1,
        Grain::Day => 2,
        Grain::Month => 3,
    };
    let stamp = sqlx::query_file_scalar!("sql/api/figures_stamp.sql", tenant.id, tier, question.from, question.to)
        .fetch_one(pool)
        .await?;
    Ok(Tag::new(
        tenant.id,
        &[&"figures", &tenant.zone, &asked.grain, &asked.from, &asked.to, &asked.by_agent, &asked.sets, &stamp],
    ))
}

async fn answer(pool: &PgPool, question: &Question) -> Result<ExactFigures, Fault> {
    // Before the figures: what waited then is not promised below. Marks do not count: these figures read past them.
    let waiting = sqlx::query_file!("sql/dashboard/freshness.sql", question.user_id, 1).fetch_one(pool).await?;
    let Reading { as_of, fresh, lag_seconds, rows } = exact::read(pool, question).await?;
    let counted_until = as_of - TimeDelta::milliseconds((lag_seconds * 1000.0) as i64);
    let complete_until = waiting.oldest_event_at.map_or(counted_until, |oldest| oldest.min(counted_until));
    let figures = rows.into_iter().map(Bucket::from).collect();
    Ok(ExactFigures { as_of, complete_until, fresh, lag_seconds, figures })
}
