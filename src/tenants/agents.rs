//! A tenant's agents, and the events that came before them.

use chrono::{DateTime, Utc};
use sqlx::{Acquire, PgConnection};
use uuid::Uuid;

use super::TenantError;
use super::error::broken_constraint;

/// An agent in a list.
#[derive(Debug, Clone)]
pub struct AgentRow {
    pub id: Uuid,
    pub bolna_agent_id: String,
    pub name: String,
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
}

/// Adds an agent and, in the same transaction, gives back to the pipeline the
/// events that were held because nobody knew it.
///
/// The tenant's lane is locked first: whoever processes the tenant's events
/// either sees the agent, or has put its events where they are found here.
///
/// # Errors
/// When there is no such tenant or the agent exists already.
pub async fn add_agent(
    conn: &mut PgConnection,
    user_id: Uuid,
    bolna_agent_id: &str,
    name: &str,
) -> Result<Uuid, TenantError> {
    if bolna_agent_id.is_empty() || name.trim().is_empty() {
        return Err(TenantError::Invalid("an agent needs an id and a name"));
    }
    let bolna_agent_id = &tallyline_model::agent_ref(bolna_agent_id);
    let mut tx = conn.begin().await?;
    lock_lane(&mut tx, user_id).await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO public.agents (user_id, bolna_agent_id, name) VALUES ($1, $2, $3) RETURNING id",
        user_id,
        bolna_agent_id,
        name,
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(|error| said(error, bolna_agent_id))?;
    sqlx::query_file!("sql/tenants/requeue_unknown_agent.sql", user_id, bolna_agent_id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(id)
}

/// The agents of a tenant, by name.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list_agents(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<AgentRow>, TenantError> {
    Ok(sqlx::query_file_as!(AgentRow, "sql/tenants/list_agents.sql", user_id).fetch_all(conn).await?)
}

pub(super) async fn lock_lane(conn: &mut PgConnection, user_id: Uuid) -> Result<(), TenantError> {
    sqlx::query!("SELECT user_id FROM tally.lanes WHERE user_id = $1 FOR UPDATE", user_id)
        .fetch_optional(conn)
        .await?
        .map(drop)
        .ok_or(TenantError::UnknownTenant)
}

fn said(error: sqlx::Error, bolna_agent_id: &str) -> TenantError {
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    match (broken_constraint(&error), code.as_deref()) {
        (Some("agents_user_id_bolna_agent_id_key"), _) => TenantError::DuplicateAgent(bolna_agent_id.to_owned()),
        (_, Some("22001")) => TenantError::Invalid("the agent's name or id is longer than 255 characters"),
        _ => TenantError::Database(error),
    }
}
