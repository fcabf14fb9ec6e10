//! Taking over an old database: the one of the platform's seed, with triggers.
//!
//! What its rows say goes into our inbox in the form of webhooks, and from there the
//! way of all events: a call that our own webhooks tell of as well is one call, a row
//! that was taken over before is a duplicate, one that changed since is one more
//! event. The old database is read in one snapshot, read-only, by columns that every
//! version of it had.

mod compare;
mod read;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use tallyline_model::{Provider, normalise_e164};
use tallyline_secrets::SealingKey;
use uuid::Uuid;

pub use compare::{Comparison, Figure, compare};
pub use read::{Old, OldTenant};

use crate::receiver::{self, NewEvent};
use crate::tenants::credits::{self, Reason};
use crate::tenants::{self, NewTenant, TenantError};

/// Stands where a webhook has the name of its endpoint.
pub const ENDPOINT: &str = "adopt";

/// Rows written by one statement.
const GROUP: usize = 200;

/// Why something was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It is away, or has not the tables of the platform.
    #[error("the old database: {0}")]
    Old(sqlx::Error),
    #[error("the new database: {0}")]
    New(#[from] sqlx::Error),
    #[error("{email}: {source}")]
    Tenant { email: String, source: TenantError },
}

/// What new tenants are given that the old database does not say.
#[derive(Debug, Clone)]
pub struct Terms {
    /// IANA zone where the old row has none.
    pub timezone: String,
    /// What the analyses call a full total score.
    pub score_scale: i16,
    /// What they call a full single score.
    pub dimension_scale: i16,
    /// Calling code for numbers without one.
    pub default_country_code: Option<String>,
}

/// What was taken over of a tenant.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Taken {
    pub user_id: Uuid,
    pub email: String,
    pub is_new: bool,
    pub agents: usize,
    pub contacts: usize,
    /// Events that were not in the inbox yet: of calls, and of analyses.
    pub calls: usize,
    pub analyses: usize,
    /// Calls without the platform's id: nothing would ever recognise them.
    pub without_id: usize,
}

/// Takes over a tenant, or what is new of it since the last time.
///
/// # Errors
/// When a database is away or refuses something; what was taken over stays.
pub async fn adopt(
    old: &mut Old,
    new: &PgPool,
    key: &SealingKey,
    tenant: &OldTenant,
    terms: &Terms,
) -> Result<Taken, AdoptError> {
    let mut connection = new.acquire().await?;
    let mut taken = Taken { email: tenant.email.clone(), ..Taken::default() };
    set_up(old, &mut connection, key, (tenant, terms), &mut taken).await?;
    taken.contacts = take_contacts(old, &mut connection, tenant, terms, taken.user_id).await?;
    let (mut bodies, mut rows) = (Vec::new(), old.calls(tenant));
    while let Some(body) = rows.next().await.map_err(AdoptError::Old)? {
        match body {
            Some(body) => bodies.push(body),
            None => taken.without_id += 1,
        }
        if bodies.len() >= GROUP {
            taken.calls += store(&mut connection, taken.user_id, Provider::Bolna, std::mem::take(&mut bodies)).await?;
        }
    }
    drop(rows);
    taken.calls += store(&mut connection, taken.user_id, Provider::Bolna, bodies).await?;
    let (mut bodies, mut rows) = (Vec::new(), old.analyses(tenant));
    while let Some(body) = rows.next().await.map_err(AdoptError::Old)? {
        bodies.extend(body);
        if bodies.len() >= GROUP {
            let full = std::mem::take(&mut bodies);
            taken.analyses += store(&mut connection, taken.user_id, Provider::Analysis, full).await?;
        }
    }
    drop(rows);
    taken.analyses += store(&mut connection, taken.user_id, Provider::Analysis, bodies).await?;
    Ok(taken)
}

/// The tenant and its agents, as far as they are not there.
async fn set_up(
    old: &mut Old,
    connection: &mut PgConnection,
    key: &SealingKey,
    (tenant, terms): (&OldTenant, &Terms),
    taken: &mut Taken,
) -> Result<(), AdoptError> {
    let of_tenant = |source| AdoptError::Tenant { email: tenant.email.clone(), source };
    taken.user_id = match tenants::tenant_by_email(connection, &tenant.email).await.map_err(of_tenant)? {
        Some(user_id) => user_id,
        None => {
            let row = NewTenant {
                timezone: tenant.timezone.clone().unwrap_or_else(|| terms.timezone.clone()),
                score_scale: terms.score_scale,
                dimension_scale: terms.dimension_scale,
                default_country_code: terms.default_country_code.clone(),
                // The balance follows when the calls are charged.
                credits_micros: 0,
                ..NewTenant::new(&tenant.name, &tenant.email)
            };
            taken.is_new = true;
            tenants::create_tenant(connection, key, row).await.map_err(of_tenant)?.user_id
        }
    };
    let known = tenants::list_agents(connection, taken.user_id).await.map_err(of_tenant)?;
    let known: HashSet<String> = known.into_iter().map(|agent| agent.bolna_agent_id).collect();
    for agent in old.agents(tenant).await.map_err(AdoptError::Old)? {
        if !known.contains(&agent.bolna_agent_id) {
            tenants::add_agent(connection, taken.user_id, &agent.bolna_agent_id, &agent.name)
                .await
                .map_err(of_tenant)?;
            taken.agents += 1;
        }
    }
    Ok(())
}

/// A contact as both databases have it.
#[derive(Debug, Serialize, Deserialize)]
struct Contact {
    name: String,
    phone_number: String,
    #[serde(default)]
    phone_e164: Option<String>,
    email: Option<String>,
    company: Option<String>,
    notes: Option<String>,
    created_at: chrono::DateTime<chrono::Utc>,
}

async fn take_contacts(
    old: &mut Old,
    connection: &mut PgConnection,
    tenant: &OldTenant,
    terms: &Terms,
    user_id: Uuid,
) -> Result<usize, AdoptError> {
    let (mut taken, mut group) = (0, Vec::new());
    let mut rows = old.contacts(tenant);
    loop {
        let row = rows.next().await.map_err(AdoptError::Old)?.flatten();
        let is_end = row.is_none();
        if let Some(mut contact) = row.and_then(|text| serde_json::from_str::<Contact>(&text).ok()) {
            contact.phone_e164 = normalise_e164(&contact.phone_number, terms.default_country_code.as_deref());
            group.push(contact);
        }
        if group.len() >= GROUP || is_end {
            let rows = Json(std::mem::take(&mut group));
            taken += sqlx::query_file!("sql/adopt/insert_contacts.sql", user_id, rows as _)
                .fetch_all(&mut *connection)
                .await?
                .len();
        }
        if is_end {
            return Ok(taken);
        }
    }
}

/// Puts bodies into the inbox; returns how many were not there.
async fn store(
    connection: &mut PgConnection,
    user_id: Uuid,
    provider: Provider,
    bodies: Vec<String>,
) -> Result<usize, AdoptError> {
    let mut events: Vec<NewEvent> = bodies
        .into_iter()
        .map(|body| NewEvent {
            user_id,
            provider,
            endpoint: Arc::from(ENDPOINT),
            body_sha256: Sha256::digest(&body).into(),
            body: Bytes::from(body),
            headers: r#"{"key":"adopt"}"#.to_owned(),
            received_at: None,
        })
        .collect();
    events.sort_by_key(NewEvent::key);
    events.dedup_by_key(|event| event.key());
    if events.is_empty() {
        return Ok(0);
    }
    let new = receiver::store(connection, &events.iter().collect::<Vec<_>>()).await?;
    Ok(new.into_iter().filter(|is_new| *is_new).count())
}

/// Enters the difference to the old balance into the ledger; call it when all calls
/// are charged. Returns millionths of a credit.
///
/// # Errors
/// When the database refuses.
pub async fn settle_balance(new: &PgPool, tenant: &OldTenant, user_id: Uuid) -> Result<i64, AdoptError> {
    let mut tx = new.begin().await?;
    let balance =
        sqlx::query_scalar!("SELECT credits_micros FROM public.users WHERE id = $1 FOR NO KEY UPDATE", user_id)
            .fetch_one(&mut *tx)
            .await?;
    let difference = tenant.credits_micros - balance;
    if difference != 0 {
        let text = "Balance of the database that was taken over";
        credits::enter(&mut tx, user_id, &Reason::Adjustment { key: None }, difference, text)
            .await
            .map_err(|source| AdoptError::Tenant { email: tenant.email.clone(), source })?;
    }
    tx.commit().await?;
    Ok(difference)
}
