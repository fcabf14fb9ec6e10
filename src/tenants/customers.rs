//! Customers: contacts that bought, and what they have come to since.

use chrono::{DateTime, Utc};
use sqlx::{Acquire, PgConnection};
use tallyline_model::normalise_e164;
use uuid::Uuid;

use super::TenantError;
use super::error::broken_constraint;

/// What a customer may be. Nobody is deleted, and who comes back is active again.
pub const STATUSES: [&str; 4] = ["Active", "Inactive", "Churned", "On Hold"];

/// Which contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactKey {
    Id(Uuid),
    /// In any form; without a country code the tenant's own is taken.
    Phone(String),
}

/// What is known of a conversion besides the contact.
#[derive(Debug, Clone, Default)]
pub struct Conversion {
    pub source: Option<String>,
    pub sales_rep: Option<String>,
    pub notes: Option<String>,
}

/// A customer as it was made.
#[derive(Debug, Clone)]
pub struct Customer {
    pub id: Uuid,
    pub contact_id: Uuid,
    /// `CUST-2026-0001`: counted per tenant and year.
    pub reference: String,
}

/// A customer with its lifetime figures, calls in history included.
#[derive(Debug, Clone)]
pub struct CustomerRow {
    pub id: Uuid,
    pub contact_id: Uuid,
    pub reference: String,
    pub name: String,
    pub status: String,
    pub conversion_date: DateTime<Utc>,
    pub total_calls: i64,
    pub answered_calls: i64,
    /// Voicemail included.
    pub talk_seconds: i64,
    /// Started minutes of each call.
    pub total_minutes: i64,
    pub credits_micros: i64,
    /// The provider's price, in micro-units of the tenant's currency.
    pub cost_micros: i64,
    pub leads: i64,
    pub first_call_at: Option<DateTime<Utc>>,
    pub last_call_at: Option<DateTime<Utc>>,
    pub last_interaction_date: Option<DateTime<Utc>>,
}

/// Makes a customer of a contact, in one transaction (a savepoint inside the
/// caller's) that holds the contact: of two conversions at once, one is refused.
///
/// # Errors
/// When there is no such contact, or it is a customer already.
pub async fn convert(
    conn: &mut PgConnection,
    user_id: Uuid,
    contact: &ContactKey,
    conversion: &Conversion,
) -> Result<Customer, TenantError> {
    let mut tx = conn.begin().await?;
    let country_code = sqlx::query_scalar!("SELECT default_country_code FROM public.users WHERE id = $1", user_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::UnknownTenant)?;
    let (id, phone) = match contact {
        ContactKey::Id(id) => (Some(*id), None),
        ContactKey::Phone(phone) => (None, Some(phone.as_str())),
    };
    let e164 = phone.and_then(|phone| normalise_e164(phone, country_code.as_deref()));
    let contact_id = sqlx::query_file_scalar!("sql/tenants/lock_contact.sql", user_id, id, phone, e164)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::UnknownContact)?;
    // A statement of its own: it sees what the lock was waited for.
    let known = sqlx::query_scalar!(
        "SELECT customer_reference_number FROM public.customers WHERE user_id = $1 AND contact_id = $2",
        user_id,
        contact_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(reference) = known {
        return Err(TenantError::AlreadyCustomer(reference));
    }
    let customer = sqlx::query_file_as!(
        Customer,
        "sql/tenants/convert_contact.sql",
        user_id,
        contact_id,
        conversion.source,
        conversion.sales_rep,
        conversion.notes
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(too_long)?;
    tx.commit().await?;
    Ok(customer)
}

/// Gives the customer of this reference a status of [`STATUSES`]; returns its id
/// and what it was before.
///
/// # Errors
/// When the tenant has no such customer, or there is no such status.
pub async fn set_status(
    conn: &mut PgConnection,
    user_id: Uuid,
    reference: &str,
    status: &str,
) -> Result<(Uuid, String), TenantError> {
    let changed = sqlx::query_file!("sql/tenants/set_customer_status.sql", user_id, reference, status)
        .fetch_optional(conn)
        .await
        .map_err(|error| match broken_constraint(&error) {
            Some("customers_status_check") => {
                TenantError::Invalid("the status is Active, Inactive, Churned or On Hold")
            }
            _ => TenantError::Database(error),
        })?
        .ok_or(TenantError::UnknownCustomer)?;
    Ok((changed.id, changed.before))
}

/// The customers of a tenant, by reference.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<CustomerRow>, TenantError> {
    Ok(sqlx::query_file_as!(CustomerRow, "sql/tenants/list_customers.sql", user_id).fetch_all(conn).await?)
}

fn too_long(error: sqlx::Error) -> TenantError {
    match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("22001") => TenantError::Invalid("the source has 100 characters at most, the sales representative 255"),
        _ => TenantError::Database(error),
    }
}
