//! What operators look at: quarantine, endpoints of tenants, the trail of changes.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Item, Operator, Tenant};
use super::page::{Answer, Cursor, Found, Page, lines};
use super::people::PageAsked;
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;
use crate::tenants;

const GROUP: &str = "Operating";
/// Characters that are shown of a body.
const MOST_BODY: usize = 65_536;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/api/v1/tenants/{id}/quarantine",
            quarantine,
            about(GROUP, "Events that could not be applied, the newest first; for operators")
                .asked::<PageAsked>()
                .answers::<Page<Held>>(),
        )
        .get(
            "/api/v1/tenants/{id}/quarantine/{item}",
            held,
            about(GROUP, "An event that could not be applied, with its body; for operators").answers::<HeldBody>(),
        )
        .get(
            "/api/v1/tenants/{id}/endpoints",
            endpoints,
            about(GROUP, "Where the tenant's providers post to; for operators").answers::<Endpoints>(),
        )
        .get(
            "/api/v1/audit-log",
            trail,
            about(GROUP, "What operators changed, the newest first; for operators")
                .asked::<TrailAsked>()
                .answers::<Page<TrailLine>>()
                .problem(404),
        )
}

/// An event in quarantine.
#[derive(Debug, Serialize, ToSchema)]
struct Held {
    id: i64,
    provider: String,
    reason: String,
    detail: String,
    received_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

/// With its body.
#[derive(Debug, Serialize, ToSchema)]
struct HeldBody {
    event: Held,
    /// Up to 65536 characters; null when it is past its retention.
    body: Option<String>,
}

async fn quarantine(
    State(gate): State<Arc<Gate>>,
    _: Operator,
    tenant: Tenant,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Page<Held>> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "quarantine", tenant: tenant.id };
    let before = cursor.read::<i64>(asked.cursor.as_deref())?.unwrap_or(i64::MAX);
    let rows = sqlx::query_file_as!(Held, "sql/api/quarantine.sql", tenant.id, before, lines + 1)
        .fetch_all(&gate.pool)
        .await?;
    Ok(Found(cursor.page(rows, lines, |row| row.id, |row| row)))
}

async fn held(State(gate): State<Arc<Gate>>, _: Operator, tenant: Tenant, Item(id): Item<i64>) -> Answer<HeldBody> {
    let row = sqlx::query_file!("sql/api/quarantined.sql", tenant.id, id).fetch_optional(&gate.pool).await?;
    let row = row.ok_or(Fault::NotFound("no such event"))?;
    let event = Held {
        id: row.id,
        provider: row.provider,
        reason: row.reason,
        detail: row.detail,
        received_at: row.received_at,
        created_at: row.created_at,
    };
    let body = row.body.map(|body| String::from_utf8_lossy(&body).chars().take(MOST_BODY).collect());
    Ok(Found(HeldBody { event, body }))
}

/// An endpoint, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct Endpoint {
    provider: String,
    endpoint: String,
    account_sid: Option<String>,
    /// Addresses and networks that may send; null: all.
    allowed_ips: Option<Vec<String>>,
    /// Until when the secret before the last rotation is accepted too.
    previous_expires_at: Option<DateTime<Utc>>,
    disabled_at: Option<DateTime<Utc>>,
}

/// Endpoints.
#[derive(Debug, Serialize, ToSchema)]
struct Endpoints {
    endpoints: Vec<Endpoint>,
}

async fn endpoints(State(gate): State<Arc<Gate>>, _: Operator, tenant: Tenant) -> Answer<Endpoints> {
    let rows = tenants::list_endpoints(&mut *gate.pool.acquire().await?, tenant.id).await?;
    let line = |row: tenants::EndpointRow| Endpoint {
        provider: row.provider,
        endpoint: row.endpoint,
        account_sid: row.account_sid,
        allowed_ips: row.allowed_ips,
        previous_expires_at: row.previous_expires_at,
        disabled_at: row.disabled_at,
    };
    Ok(Found(Endpoints { endpoints: rows.into_iter().map(line).collect() }))
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct TrailAsked {
    /// Only those that concern this tenant
    tenant: Option<Uuid>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
struct TrailLine {
    id: Uuid,
    created_at: DateTime<Utc>,
    /// Who; 00000000-0000-0000-0000-000000000001 is the command line.
    admin_user_id: Uuid,
    action: String,
    resource_type: String,
    resource_id: Option<String>,
    target_user_id: Option<Uuid>,
    #[schema(value_type = Object)]
    details: Value,
    address: Option<String>,
    user_agent: Option<String>,
}

async fn trail(State(gate): State<Arc<Gate>>, _: Operator, Asked(asked): Asked<TrailAsked>) -> Answer<Page<TrailLine>> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "audit-log", tenant: asked.tenant.unwrap_or_default() };
    let (at, id) = cursor.read::<(DateTime<Utc>, Uuid)>(asked.cursor.as_deref())?.unzip();
    let rows = sqlx::query_file_as!(TrailLine, "sql/api/audit_log.sql", asked.tenant, at, id, lines + 1)
        .fetch_all(&gate.pool)
        .await?;
    Ok(Found(cursor.page(rows, lines, |row| (row.created_at, row.id), |row| row)))
}
