//! Credits of a tenant: balance, ledger, what days have used.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Asked, Tenant};
use super::page::{Answer, Cursor, Found, Page, freshness, lines, range};
use super::people::PageAsked;
use super::problem::Fault;
use super::routes::{Routes, about};
use crate::accounts::guard::Gate;

const GROUP: &str = "Credits";
/// Days of one answer at most.
const MOST_DAYS: i64 = 800;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/tenants/{id}/credits", balance, about(GROUP, "The balance").answers::<Balance>())
        .get(
            "/api/v1/tenants/{id}/credits/ledger",
            ledger,
            about(GROUP, "The ledger, the newest entry first").asked::<PageAsked>().answers::<Page<Entry>>(),
        )
        .get(
            "/api/v1/tenants/{id}/credits/usage",
            usage,
            about(GROUP, "What the calls of each day were charged").asked::<DaysAsked>().answers::<Usage>(),
        )
}

/// Local dates, the last included; by default the last thirty.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DaysAsked {
    pub(super) from: Option<NaiveDate>,
    pub(super) to: Option<NaiveDate>,
}

/// The balance.
#[derive(Debug, Serialize, ToSchema)]
struct Balance {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    credits_micros: i64,
}

/// An entry of the ledger.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    id: Uuid,
    /// Grows from entry to entry of a tenant.
    entry_no: i64,
    /// purchase, usage, bonus, admin_adjustment or refund
    kind: String,
    /// Below zero: taken.
    amount_micros: i64,
    balance_after_micros: i64,
    description: String,
    call_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

/// A day with calls.
#[derive(Debug, Serialize, ToSchema)]
struct UsedDay {
    date: NaiveDate,
    total_calls: i64,
    total_duration_minutes: i64,
    credits_micros: i64,
    cost_micros: i64,
}

/// The days with calls, and their sum.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    as_of: DateTime<Utc>,
    complete_until: DateTime<Utc>,
    from: NaiveDate,
    to: NaiveDate,
    credits_micros: i64,
    days: Vec<UsedDay>,
}

async fn balance(State(gate): State<Arc<Gate>>, tenant: Tenant) -> Answer<Balance> {
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(&gate).await?;
    let credits_micros = sqlx::query_scalar!("SELECT credits_micros FROM public.users WHERE id = $1", tenant.id)
        .fetch_optional(&mut *tx)
        .await?;
    let credits_micros = credits_micros.ok_or(Fault::NotFound("no such tenant"))?;
    Ok(Found(Balance { as_of: fresh.as_of, complete_until: fresh.complete_until, credits_micros }))
}

async fn ledger(State(gate): State<Arc<Gate>>, tenant: Tenant, Asked(asked): Asked<PageAsked>) -> Answer<Page<Entry>> {
    let lines = lines(asked.limit)?;
    let cursor = Cursor { list: "ledger", tenant: tenant.id };
    let before = cursor.read::<i64>(asked.cursor.as_deref())?.unwrap_or(i64::MAX);
    let mut tx = tenant.read(&gate).await?;
    let rows =
        sqlx::query_file_as!(Entry, "sql/api/ledger.sql", tenant.id, before, lines + 1).fetch_all(&mut *tx).await?;
    Ok(Found(cursor.page(rows, lines, |entry| entry.entry_no, |entry| entry)))
}

async fn usage(State(gate): State<Arc<Gate>>, tenant: Tenant, Asked(asked): Asked<DaysAsked>) -> Answer<Usage> {
    let range = range(&gate, &tenant, (asked.from, asked.to), MOST_DAYS).await?;
    let fresh = freshness(&gate.pool, tenant.id).await?;
    let mut tx = tenant.read(&gate).await?;
    let days = sqlx::query_file_as!(UsedDay, "sql/api/usage.sql", tenant.id, range.from, range.to, tenant.zone)
        .fetch_all(&mut *tx)
        .await?;
    Ok(Found(Usage {
        as_of: fresh.as_of,
        complete_until: fresh.complete_until,
        from: range.first,
        to: range.last,
        credits_micros: days.iter().map(|day| day.credits_micros).sum(),
        days,
    }))
}
