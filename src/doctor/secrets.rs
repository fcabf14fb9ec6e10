//! Whether the key opens what was sealed.

use sqlx::{FromRow, PgPool};
use tallyline_jobs::analyze_leads;

use super::{About, Check, some};
use crate::config::Config;
use crate::daemon;

pub(super) const OPENS: About = About {
    name: "sealed-secrets",
    looks_at: "that the key opens the secrets in the database",
    meaning: "it is another key than they were sealed with: webhooks of these tenants are refused with 503",
};

#[derive(Debug, FromRow)]
struct Sealed {
    user_id: uuid::Uuid,
    /// `endpoint` or `analysis`.
    kind: String,
    /// What it was sealed for, of an endpoint; its provider.
    endpoint: String,
    provider: String,
    sealed: Vec<u8>,
}

/// Opens each; nothing of them is kept.
pub(super) async fn opens(config: &Config, pool: &PgPool) -> Check {
    if config.secrets.key.is_empty() && !config.database.data_dir.join(tallyline_secrets::sealing::KEY_FILE).exists() {
        return OPENS.not_applicable("there is no key");
    }
    let key = match daemon::sealing_key(config) {
        Ok(key) => key,
        Err(_) => return OPENS.not_applicable("there is no usable key"),
    };
    let asked = sqlx::query_as(include_str!("../../sql/doctor/sealed.sql")).fetch_all(pool).await;
    let rows: Vec<Sealed> = match asked {
        Ok(rows) => rows,
        Err(error) => return OPENS.unknown(error),
    };
    let context = |row: &Sealed| match row.kind.as_str() {
        "endpoint" => row.endpoint.clone(),
        _ => analyze_leads::key_context(row.user_id),
    };
    let closed: Vec<&Sealed> = rows.iter().filter(|row| key.unseal(&context(row), &row.sealed).is_err()).collect();
    let told: Vec<String> =
        closed.iter().map(|row| format!("{} {} of tenant {}", row.kind, row.provider, row.user_id)).collect();
    match closed.first() {
        None => OPENS.ok(format!("{} opened", rows.len())),
        Some(row) if row.kind == "endpoint" => OPENS.problem(
            some(&told),
            format!("tallyline tenant rotate-secret {} {} --from-stdin", row.user_id, row.provider),
        ),
        Some(row) => {
            OPENS.problem(some(&told), format!("tallyline tenant analysis set {} --api-key-from-stdin", row.user_id))
        }
    }
}
