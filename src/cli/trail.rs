//! What the command line leaves in the trail of operators' changes.

use serde_json::Value;
use sqlx::PgConnection;
use tallyline_jobs::admin_log::{self, COMMAND_LINE, Entry};
use uuid::Uuid;

/// Records a change that concerns `tenant`, if any, in the transaction that makes it.
pub(super) async fn record(
    conn: &mut PgConnection,
    action: &str,
    resource: (&str, String),
    tenant: impl Into<Option<Uuid>>,
    details: Value,
) -> Result<(), sqlx::Error> {
    let (resource_type, resource_id) = resource;
    let entry = Entry {
        admin_user_id: COMMAND_LINE,
        action,
        resource_type,
        resource_id: Some(resource_id),
        target_user_id: tenant.into(),
        details,
        address: None,
        user_agent: None,
    };
    admin_log::record(conn, &entry).await
}
