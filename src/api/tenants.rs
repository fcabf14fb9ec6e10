//! Tenants, how fresh their figures are, their agents, and what is computed ahead
//! for their pages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Operator, Tenant};
use super::page::{Answer, Cursor, Found, Freshness, Page, Tag, freshness, lines, range};
use super::people::PageAsked;
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const GROUP: &str = "Tenants";
const FIGURES: &str = "Figures";
/// Days of one answer at most.
const MOST_DAYS: i64 = 800;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/api/v1/tenants",
            list,
            about(GROUP, "All tenants, by name; for operators")
                .asked::<PageAsked>()
                .answers::<Page<TenantLine>>()
                .problem(404),
        )
        .get("/api/v1/tenants/{id}", show, about(GROUP, "A tenant").answers::<TenantShown>())
        .get(
            "/api/v1/tenants/{id}/freshness",
            fresh,
            about(FIGURES, "How far figures lag behind what was received").answers::<Freshness>(),
        )
        .get(
            "/api/v1/tenants/{id}/agents",
            agents,
            about(FIGURES, "Agents, by id, with the figures of their days")
                .asked::<AgentsAsked>()
                .answers::<Agents>()
                .tagged(),
        )
        .get(
            "/api/v1/tenants/{id}/overview",
            overview,
            about(FIGURES, "Key figures of the last thirty days, computed ahead").answers::<Cached>().tagged(),
        )
        .get(
            "/api/v1/tenants/{id}/trends",
            trends,
            about(FIGURES, "Trends and unusual days, computed ahead").answers::<Cached>().tagged(),
        )
        .get(
            "/api/v1/tenants/{id}/periods",
            periods,
            about(FIGURES, "Figures of days, weeks or months, computed ahead")
                .asked::<PeriodsAsked>()
                .answers::<Periods>()
                .tagged(),
        )
}

/// A tenant in a list.
#[derive(Debug, Serialize, ToSchema)]
struct TenantLine {
    id: Uuid,
    name: String,
    email: String,
    timezone: String,
    /// ISO 4217
    currency: String,
    is_active: bool,
    credits_micros: i64,
    created_at: DateTime<Utc>,
    #[serde(skip)]
    #[schema(ignore)]
    sort_name: String,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
struct TenantShown {
    id: Uuid,
    name: String,
    email: String,
    timezone: String,
    currency: String,
    is_active: bool,
    credits_micros: i64,
    created_at: DateTime<Utc>,
    billing_pulse_seconds: i32,
    credits_per_minute_micros: i64,
    score_scale: i16,
    dimension_scale: i16,
    hot_threshold_percent: i16,
    warm_threshold_percent: i16,
    cold_threshold_percent: i16,
}

async fn list(State(gate): State<Arc<Gate>>, _: Operator, Asked(asked): Asked<PageAsked>) -> Answer<Page<TenantLine>> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "tenants", tenant: Uuid::nil() };
    let (name, id) = cursor.read::<(String, Uuid)>(asked.cursor.as_deref())?.unzip();
    let rows =
        sqlx::query_file_as!(TenantLine, "sql/api/tenants.sql", name, id, lines + 1).fetch_all(&gate.pool).await?;
    Ok(Found(cursor.page(rows, lines, |row| (row.sort_name.clone(), row.id), |row| row)))
}

async fn show(State(gate): State<Arc<Gate>>, tenant: Tenant) -> Answer<TenantShown> {
    let mut tx = tenant.read(&gate).await?;
    let row = sqlx::query_file_as!(TenantShown, "sql/api/tenant.sql", tenant.id).fetch_optional(&mut *tx).await?;
    row.map(Found).ok_or(Fault::NotFound("no such tenant"))
}

async fn fresh(State(gate): State<Arc<Gate>>, tenant: Tenant) -> Answer<Freshness> {
    Ok(Found(freshness(&gate.pool, tenant.id).await?))
}

/// Which agents and days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AgentsAsked {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// An agent with the sums of its days.
#[derive(Debug, Serialize, ToSchema)]
struct Agent {
    id: Uuid,
    name: String,
    bolna_agent_id: String,
    is_active: bool,
    created_at: DateTime<Utc>,
    total_calls: i64,
    successful_calls: i64,
    voicemail_calls: i64,
    no_answer_calls: i64,
    busy_calls: i64,
    failed_outcome_calls: i64,
    cancelled_calls: i64,
    in_progress_calls: i64,
    total_duration_minutes: i64,
    talk_seconds: i64,
    leads_generated: i64,
    qualified_leads: i64,
    credits_micros: i64,
    cost_micros: i64,
}

/// A page of agents.
#[derive(Debug, Serialize, ToSchema)]
struct Agents {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    from: NaiveDate,
    to: NaiveDate,
    #[serde(flatten)]
    page: Page<Agent>,
}

async fn agents(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    headers: HeaderMap,
    Asked(asked): Asked<AgentsAsked>,
) -> Result<Response, Fault> {
    let lines = lines(asked.limit)?;
    let days = range(&gate, &tenant, (asked.from, asked.to), MOST_DAYS).await?;
    let cursor = Cursor { list: "agents", tenant: tenant.id };
    let after = cursor.read::<Uuid>(asked.cursor.as_deref())?.unwrap_or_default();
    // Before the figures: a tag may be older than what it stands for, never newer.
    let stamp = sqlx::query_file_scalar!("sql/api/agents_stamp.sql", tenant.id, days.from, days.to)
        .fetch_one(&gate.pool)
        .await?;
    let tag = Tag::new(tenant.id, &[&"agents", &tenant.zone, &days.first, &days.last, &after, &lines, &stamp]);
    if tag.is_held(&headers) {
        return Ok(tag.held());
    }
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(&gate).await?;
    let rows =
        sqlx::query_file_as!(Agent, "sql/api/agents.sql", tenant.id, days.from, days.to, after, lines + 1, tenant.zone)
            .fetch_all(&mut *tx)
            .await?;
    let page = cursor.page(rows, lines, |agent| agent.id, |agent| agent);
    let (as_of, complete_until) = (fresh.as_of, fresh.complete_until);
    Ok(tag.of(Agents { as_of, complete_until, from: days.first, to: days.last, page }))
}

/// What was computed ahead.
#[derive(Debug, Serialize, ToSchema)]
struct Cached {
    /// When it was computed.
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    /// False: a newer one is due.
    is_current: bool,
    generation: i64,
    /// As the job that computed it wrote it.
    #[schema(value_type = Object)]
    data: Value,
}

async fn overview(State(gate): State<Arc<Gate>>, tenant: Tenant, headers: HeaderMap) -> Result<Response, Fault> {
    cached(&gate, &tenant, &headers, "overview").await
}

async fn trends(State(gate): State<Arc<Gate>>, tenant: Tenant, headers: HeaderMap) -> Result<Response, Fault> {
    cached(&gate, &tenant, &headers, "trends").await
}

async fn cached(gate: &Gate, tenant: &Tenant, headers: &HeaderMap, key: &str) -> Result<Response, Fault> {
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(gate).await?;
    let row = sqlx::query_file!("sql/api/cached.sql", tenant.id, key).fetch_optional(&mut *tx).await?;
    let row = row.ok_or(Fault::NotFound("it was not computed yet"))?;
    let body = Cached {
        as_of: row.updated_at,
        complete_until: fresh.complete_until.min(row.updated_at),
        is_current: row.is_current,
        generation: row.generation,
        data: row.cache_data,
    };
    let tag = Tag::new(tenant.id, &[&key, &row.generation, &row.updated_at, &body.complete_until, &body.is_current]);
    Ok(if tag.is_held(headers) { tag.held() } else { tag.of(body) })
}

/// Which periods: those that begin on these dates; by default of the last thirty days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PeriodsAsked {
    /// daily, weekly or monthly; by default daily
    #[serde(rename = "type")]
    kind: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

/// A period with its figures.
#[derive(Debug, Serialize, ToSchema)]
struct Period {
    /// Its first day.
    date: NaiveDate,
    #[serde(skip)]
    #[schema(ignore)]
    generation: i64,
    calculated_at: DateTime<Utc>,
    total_calls: i32,
    successful_calls: i32,
    voicemail_calls: i32,
    no_answer_calls: i32,
    busy_calls: i32,
    failed_outcome_calls: i32,
    cancelled_calls: i32,
    in_progress_calls: i32,
    /// Begun minutes.
    total_call_duration: i32,
    talk_seconds: i64,
    credits_micros: i64,
    cost_micros: i64,
    hot_leads: i32,
    warm_leads: i32,
    cold_leads: i32,
    unqualified_leads: i32,
    total_leads: i32,
    p50_duration_seconds: Option<i32>,
    p95_duration_seconds: Option<i32>,
    distinct_contacts: i32,
}

/// Periods that have been computed.
#[derive(Debug, Serialize, ToSchema)]
struct Periods {
    /// When the oldest of them was computed.
    as_of: Option<DateTime<Utc>>,
    complete_until: DateTime<Utc>,
    periods: Vec<Period>,
}

async fn periods(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    headers: HeaderMap,
    Asked(asked): Asked<PeriodsAsked>,
) -> Result<Response, Fault> {
    let kind = asked.kind.as_deref().unwrap_or("daily");
    if !["daily", "weekly", "monthly"].contains(&kind) {
        return Err(Fault::bad("type is daily, weekly or monthly"));
    }
    let days = range(&gate, &tenant, (asked.from, asked.to), MOST_DAYS).await?;
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(&gate).await?;
    let rows = sqlx::query_file_as!(Period, "sql/api/periods.sql", tenant.id, kind, days.first, days.last, tenant.zone)
        .fetch_all(&mut *tx)
        .await?;
    let as_of = rows.iter().map(|period| period.calculated_at).min();
    let complete_until = as_of.map_or(fresh.complete_until, |as_of| as_of.min(fresh.complete_until));
    let generations: i64 = rows.iter().map(|period| period.generation).sum();
    let newest = rows.iter().map(|period| period.calculated_at).max().unwrap_or_default();
    let tag =
        Tag::new(tenant.id, &[&kind, &days.first, &days.last, &rows.len(), &generations, &newest, &complete_until]);
    Ok(if tag.is_held(&headers) { tag.held() } else { tag.of(Periods { as_of, complete_until, periods: rows }) })
}
