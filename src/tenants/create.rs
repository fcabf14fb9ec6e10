//! A new tenant: its row, its e-mail address, its lane, its three endpoints.

use sqlx::{Acquire, PgConnection};
use tallyline_model::Provider;
use uuid::Uuid;

use super::endpoints::{self, CreatedEndpoint, TwilioAccount};
use super::error::{TenantError, broken_constraint, of_users};
use super::timezone::ensure_zone;
use tallyline_secrets::SealingKey;

/// What is known of a tenant before it exists.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub name: String,
    /// Unique over all tenants, whatever its case.
    pub email: String,
    /// IANA name; hours, days and months are local to it.
    pub timezone: String,
    /// ISO 4217, three capital letters.
    pub currency: String,
    /// What the analysis calls a full total score, such as 15 or 100.
    pub score_scale: i16,
    /// What the analysis calls a full single score, such as 3 or 100.
    pub dimension_scale: i16,
    /// Calls are charged by begun pulses of this length.
    pub billing_pulse_seconds: i32,
    /// Price of a minute in millionths of a credit.
    pub credits_per_minute_micros: i64,
    /// First balance in millionths of a credit; the database enters it into the ledger.
    pub credits_micros: i64,
    /// Calling code for numbers written without one, such as `91`.
    pub default_country_code: Option<String>,
    /// Key and account of the tenant's Twilio callbacks.
    pub twilio: TwilioAccount,
}

impl NewTenant {
    /// A tenant with the schema's defaults: UTC, USD, scores up to 15 (3 each),
    /// one credit a minute by whole minutes, 15 credits to begin with.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            email: email.into(),
            timezone: "UTC".to_owned(),
            currency: "USD".to_owned(),
            score_scale: 15,
            dimension_scale: 3,
            billing_pulse_seconds: 60,
            credits_per_minute_micros: 1_000_000,
            credits_micros: 15_000_000,
            default_country_code: None,
            twilio: TwilioAccount::default(),
        }
    }
}

/// A tenant that exists now, with what is shown only once.
#[derive(Debug, Clone)]
pub struct CreatedTenant {
    pub user_id: Uuid,
    /// One for each of [`Provider::ALL`], in that order.
    pub endpoints: Vec<CreatedEndpoint>,
}

/// Creates a tenant in one transaction (a savepoint inside the caller's).
///
/// # Errors
/// When the e-mail address is taken, the zone unknown, or a value out of range.
pub async fn create_tenant(
    conn: &mut PgConnection,
    key: &SealingKey,
    tenant: NewTenant,
) -> Result<CreatedTenant, TenantError> {
    if tenant.name.trim().is_empty() {
        return Err(TenantError::Invalid("a tenant needs a name"));
    }
    let mut tx = conn.begin().await?;
    ensure_zone(&mut tx, &tenant.timezone).await?;
    let user_id = insert_user(&mut tx, &tenant).await?;
    insert_email(&mut tx, user_id, &tenant.email).await?;
    sqlx::query!("INSERT INTO tally.lanes (user_id) VALUES ($1)", user_id).execute(&mut *tx).await?;
    let mut created = Vec::with_capacity(Provider::ALL.len());
    for provider in Provider::ALL {
        created.push(endpoints::create(&mut tx, key, user_id, *provider, &tenant.twilio).await?);
    }
    tx.commit().await?;
    Ok(CreatedTenant { user_id, endpoints: created })
}

async fn insert_user(conn: &mut PgConnection, tenant: &NewTenant) -> Result<Uuid, TenantError> {
    sqlx::query_file_scalar!(
        "sql/tenants/insert_user.sql",
        &tenant.email,
        &tenant.name,
        &tenant.timezone,
        &tenant.currency,
        tenant.score_scale,
        tenant.dimension_scale,
        tenant.billing_pulse_seconds,
        tenant.credits_per_minute_micros,
        tenant.credits_micros,
        tenant.default_country_code.as_deref(),
    )
    .fetch_one(conn)
    .await
    .map_err(of_users)
}

/// The database folds the case, as its check does.
async fn insert_email(conn: &mut PgConnection, user_id: Uuid, email: &str) -> Result<(), TenantError> {
    sqlx::query!("INSERT INTO tally.user_emails (email_lower, user_id) VALUES (lower($1::text), $2)", email, user_id)
        .execute(conn)
        .await
        .map(drop)
        .map_err(|error| match broken_constraint(&error) {
            Some("user_emails_pkey") => TenantError::DuplicateEmail(email.to_owned()),
            _ => TenantError::Database(error),
        })
}
