//! The trail of what operators changed, in `public.admin_audit_log`.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// Who acts when nobody has signed in: the command line on the machine itself.
pub const COMMAND_LINE: Uuid = Uuid::from_u128(1);

/// One change.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub admin_user_id: Uuid,
    /// What was done, such as `tenant.add`.
    pub action: &'a str,
    /// What it was done to, such as `tenant`.
    pub resource_type: &'a str,
    pub resource_id: Option<String>,
    /// The tenant that it concerns.
    pub target_user_id: Option<Uuid>,
    /// Before and after, without secrets.
    pub details: Value,
    /// Address that the change came from, where it came over the network.
    pub address: Option<String>,
    /// Browser or program that it came from.
    pub user_agent: Option<String>,
}

/// Writes the entry in the caller's transaction: no change without its trace.
///
/// # Errors
/// When the database refuses.
pub async fn record(conn: &mut PgConnection, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "../sql/admin/insert_entry.sql",
        entry.admin_user_id,
        entry.action,
        entry.resource_type,
        entry.resource_id,
        entry.target_user_id,
        entry.details,
        entry.address.as_deref(),
        entry.user_agent.as_deref(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
