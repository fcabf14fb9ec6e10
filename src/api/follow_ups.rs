//! Follow-ups of a tenant: list, add, complete, cancel.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Change, Given, Item, Sent, Tenant, record};
use super::page::{Answer, Cursor, Done, Found, Made, Page, lines};
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::Source;
use crate::accounts::guard::Gate;
use crate::tenants::{FollowUpChange, NewFollowUp, TenantError, add_follow_up, change_follow_up};

const GROUP: &str = "Follow-ups";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/api/v1/tenants/{id}/follow-ups",
            list,
            about(GROUP, "Follow-ups of one status, the next first")
                .asked::<FollowUpsAsked>()
                .answers::<Page<FollowUp>>(),
        )
        .post(
            "/api/v1/tenants/{id}/follow-ups",
            add,
            about(GROUP, "Add a follow-up by hand").given::<NewOne>().makes::<MadeOne>().changes(),
        )
        .post(
            "/api/v1/tenants/{id}/follow-ups/{item}/complete",
            complete,
            about(GROUP, "It is done").changes().problem(409),
        )
        .post(
            "/api/v1/tenants/{id}/follow-ups/{item}/cancel",
            cancel,
            about(GROUP, "It is not to be done").changes().problem(409),
        )
}

/// Which follow-ups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct FollowUpsAsked {
    /// pending, completed or cancelled; by default pending
    status: Option<String>,
    /// 1 to 200, by default 50
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A follow-up.
#[derive(Debug, Serialize, ToSchema)]
struct FollowUp {
    id: Uuid,
    /// A date of the tenant's zone.
    follow_up_date: NaiveDate,
    status: String,
    /// manual or analysis
    source: String,
    lead_name: Option<String>,
    lead_phone: Option<String>,
    lead_email: Option<String>,
    remark: Option<String>,
    call_id: Option<Uuid>,
    reminded_date: Option<NaiveDate>,
    completed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A follow-up to add; a number or an e-mail address is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOne {
    /// A date of the tenant's zone.
    follow_up_date: NaiveDate,
    lead_name: Option<String>,
    lead_phone: Option<String>,
    lead_email: Option<String>,
    remark: Option<String>,
    /// The call of this tenant that it comes from.
    call_id: Option<Uuid>,
}

/// What was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeOne {
    pub(super) id: Uuid,
}

impl From<TenantError> for Fault {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Database(error) => Fault::Database(error),
            TenantError::UnknownTenant => Fault::NotFound("no such tenant"),
            error if error.is_refusal() => Fault::Conflict(error.to_string()),
            error => Fault::bad(error.to_string()),
        }
    }
}

async fn list(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    Asked(asked): Asked<FollowUpsAsked>,
) -> Answer<Page<FollowUp>> {
    let lines = lines(asked.limit)?;
    let status = asked.status.as_deref().unwrap_or("pending");
    if !["pending", "completed", "cancelled"].contains(&status) {
        return Err(Fault::bad("status is pending, completed or cancelled"));
    }
    let cursor = Cursor { list: "follow-ups", tenant: tenant.id };
    let after = cursor.read::<(NaiveDate, Uuid)>(asked.cursor.as_deref())?;
    let (date, id) = after.unwrap_or((NaiveDate::default(), Uuid::nil()));
    let mut tx = tenant.read(&gate).await?;
    let rows = sqlx::query_file_as!(FollowUp, "sql/api/follow_ups.sql", tenant.id, status, date, id, lines + 1)
        .fetch_all(&mut *tx)
        .await?;
    let line = |row: FollowUp| FollowUp { lead_phone: tenant.number(row.lead_phone), ..row };
    Ok(Found(cursor.page(rows, lines, |row| (row.follow_up_date, row.id), line)))
}

async fn add(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    Sent(source): Sent,
    Given(given): Given<NewOne>,
) -> Result<Made<MadeOne>, Fault> {
    tenant.change()?;
    let new = NewFollowUp {
        phone: given.lead_phone,
        email: given.lead_email,
        name: given.lead_name,
        date: given.follow_up_date,
        remark: given.remark,
        call_id: given.call_id,
    };
    let mut tx = gate.pool.begin().await?;
    let id = add_follow_up(&mut tx, tenant.id, &new, tenant.principal.account.user_id).await?;
    let change = Change {
        action: "follow_up.add",
        of: ("follow_up", id.to_string()),
        tenant: Some(tenant.id),
        details: json!({ "date": new.date, "call_id": new.call_id }),
    };
    record(&mut tx, &tenant.principal, &source, change).await?;
    tx.commit().await?;
    Ok(Made(MadeOne { id }))
}

async fn complete(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    Item(id): Item<Uuid>,
    Sent(source): Sent,
) -> Result<Done, Fault> {
    change(&gate, &tenant, id, &source, FollowUpChange::Complete).await
}

async fn cancel(
    State(gate): State<Arc<Gate>>,
    tenant: Tenant,
    Item(id): Item<Uuid>,
    Sent(source): Sent,
) -> Result<Done, Fault> {
    change(&gate, &tenant, id, &source, FollowUpChange::Cancel).await
}

async fn change(
    gate: &Gate,
    tenant: &Tenant,
    id: Uuid,
    source: &Source,
    change: FollowUpChange,
) -> Result<Done, Fault> {
    tenant.change()?;
    let mut tx = gate.pool.begin().await?;
    let before = sqlx::query_scalar!(
        "SELECT follow_up_status FROM public.follow_ups WHERE user_id = $1 AND id = $2 FOR UPDATE",
        tenant.id,
        id
    );
    let before = before.fetch_optional(&mut *tx).await?.ok_or(Fault::NotFound("no such follow-up"))?;
    if before != "pending" {
        return Err(Fault::Conflict(format!("the follow-up is {before}")));
    }
    change_follow_up(&mut tx, tenant.id, id, change, tenant.principal.account.user_id).await?;
    let (action, after) = match change {
        FollowUpChange::Complete => ("follow_up.complete", "completed"),
        _ => ("follow_up.cancel", "cancelled"),
    };
    let change = Change {
        action,
        of: ("follow_up", id.to_string()),
        tenant: Some(tenant.id),
        details: json!({ "before": before, "after": after }),
    };
    record(&mut tx, &tenant.principal, source, change).await?;
    tx.commit().await?;
    Ok(Done)
}
