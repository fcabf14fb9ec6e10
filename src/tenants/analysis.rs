//! How a tenant's leads are analysed, and by what they are hot, warm or cold.

use sqlx::PgConnection;
use tallyline_jobs::analyze_leads::key_context;
use tallyline_secrets::SealingKey;
use uuid::Uuid;

use super::TenantError;
use super::error::{broken_constraint, of_users};

/// Scales and thresholds; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Qualification {
    pub score_scale: Option<i16>,
    pub dimension_scale: Option<i16>,
    pub hot_threshold_percent: Option<i16>,
    pub warm_threshold_percent: Option<i16>,
    pub cold_threshold_percent: Option<i16>,
}

/// Settings of analyses; what is `None` stays as it is. Prices are of a million
/// tokens, all amounts in micro-units.
#[derive(Debug, Clone, Default)]
pub struct AnalysisChange {
    pub provider: Option<String>,
    pub base_url: Option<String>,
    pub model: Option<String>,
    /// Sealed before it is stored.
    pub api_key: Option<String>,
    pub max_output_tokens: Option<i32>,
    pub input_price_micros: Option<i64>,
    pub output_price_micros: Option<i64>,
    /// `Some(None)`: no cap any more.
    pub daily_cap_micros: Option<Option<i64>>,
    pub concurrency: Option<i32>,
}

/// What is set, without the key.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AnalysisSettings {
    pub user_id: Uuid,
    pub timezone: String,
    pub score_scale: i16,
    pub dimension_scale: i16,
    pub hot_threshold_percent: i16,
    pub warm_threshold_percent: i16,
    pub cold_threshold_percent: i16,
    pub provider: String,
    pub base_url: Option<String>,
    pub model: Option<String>,
    pub has_api_key: bool,
    pub max_output_tokens: Option<i32>,
    pub input_price_micros: Option<i64>,
    pub output_price_micros: Option<i64>,
    pub daily_cap_micros: Option<i64>,
    pub concurrency: Option<i32>,
    pub spent_today_micros: i64,
}

/// Sets scales and thresholds; leads are put into their bands anew.
///
/// # Errors
/// When there is no such tenant, or a value is out of its range.
pub async fn set_qualification(
    conn: &mut PgConnection,
    user_id: Uuid,
    change: Qualification,
) -> Result<(), TenantError> {
    let done = sqlx::query_file!(
        "sql/tenants/set_qualification.sql",
        user_id,
        change.score_scale,
        change.dimension_scale,
        change.hot_threshold_percent,
        change.warm_threshold_percent,
        change.cold_threshold_percent
    )
    .execute(conn)
    .await
    .map_err(of_users)?;
    if done.rows_affected() == 0 { Err(TenantError::UnknownTenant) } else { Ok(()) }
}

/// Changes how leads are analysed. What was asked of another provider is withdrawn;
/// what waits for the next day because of its cost is tried again.
///
/// # Errors
/// When there is no such tenant, or the settings do not fit together.
pub async fn set_analysis(
    conn: &mut PgConnection,
    key: &SealingKey,
    user_id: Uuid,
    change: &AnalysisChange,
) -> Result<(), TenantError> {
    let sealed = match &change.api_key {
        Some(api_key) => Some(key.seal(&key_context(user_id), api_key.as_bytes())?),
        None => None,
    };
    let base_url = change.base_url.as_deref().map(|url| url.trim_end_matches('/'));
    let provider = sqlx::query_file_scalar!(
        "sql/tenants/set_analysis.sql",
        user_id,
        change.provider.as_deref(),
        base_url,
        change.model.as_deref(),
        sealed,
        change.max_output_tokens,
        change.input_price_micros,
        change.output_price_micros,
        change.daily_cap_micros == Some(None),
        change.daily_cap_micros.flatten(),
        change.concurrency
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(of_settings)?;
    sqlx::query_file!("sql/tenants/withdraw_of_others.sql", user_id, provider).execute(&mut *conn).await?;
    sqlx::query_file!("sql/tenants/release_capped.sql", user_id).execute(conn).await?;
    Ok(())
}

/// How a tenant's leads are analysed.
///
/// # Errors
/// When there is no such tenant.
pub async fn analysis_settings(conn: &mut PgConnection, user_id: Uuid) -> Result<AnalysisSettings, TenantError> {
    let found =
        sqlx::query_file_as!(AnalysisSettings, "sql/tenants/analysis.sql", user_id).fetch_optional(conn).await?;
    found.ok_or(TenantError::UnknownTenant)
}

fn of_settings(error: sqlx::Error) -> TenantError {
    TenantError::Invalid(match broken_constraint(&error) {
        Some("analysis_settings_user_id_fkey") => return TenantError::UnknownTenant,
        Some("analysis_settings_provider_check") => "the provider is bolna, openai, webhook, rules or off",
        Some("analysis_settings_openai_check") => "the provider openai needs a base URL and a model",
        Some("analysis_settings_base_url_check") => "the base URL must begin with http:// or https:// and name a host",
        Some("analysis_settings_model_check") => "the model must have a name",
        Some("analysis_settings_tokens_check") => "the most output tokens must lie in 100..=100000",
        Some("analysis_settings_prices_check") => "prices cannot be less than zero",
        Some("analysis_settings_cap_check") => {
            "a daily cap needs the prices of input and output, and is not less than zero"
        }
        Some("analysis_settings_concurrency_check") => "requests at once must lie in 1..=64",
        _ => return TenantError::Database(error),
    })
}
