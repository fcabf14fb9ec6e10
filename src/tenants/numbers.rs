//! The platform's telephone numbers, and whose they are.
//!
//! A number leads to a tenant's agent where events name none. It never leads to a
//! tenant: that is the endpoint's, whoever has the number.

use chrono::{DateTime, Utc};
use sqlx::{Acquire, PgConnection};
use tallyline_model::{Event, Provider, normalise_e164, parse_bolna, parse_twilio};
use uuid::Uuid;

use super::TenantError;
use super::agents::lock_lane;
use super::error::broken_constraint;

/// Events looked at by one statement.
const LOOKED_AT_ONCE: i64 = 500;

/// A number as the platform got it.
#[derive(Debug, Clone)]
pub struct NewNumber {
    /// In E.164, with or without separators.
    pub number: String,
    pub name: String,
    /// Its id at Bolna.
    pub bolna_phone_number_id: String,
    /// Who adds it.
    pub created_by: Uuid,
}

/// A number in a list.
#[derive(Debug, Clone)]
pub struct NumberRow {
    pub id: Uuid,
    pub name: String,
    pub phone_number: String,
    pub phone_e164: Option<String>,
    pub bolna_phone_number_id: String,
    pub user_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// What an assignment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The number's row.
    pub number_id: Uuid,
    /// Events that were held for want of it and are applied now.
    pub released_events: u64,
}

/// Adds a number that belongs to nobody yet.
///
/// # Errors
/// When it is in use already or not in E.164.
pub async fn add(conn: &mut PgConnection, new: &NewNumber) -> Result<Uuid, TenantError> {
    if new.name.trim().is_empty() || new.bolna_phone_number_id.is_empty() {
        return Err(TenantError::Invalid("a number needs a name and its id at Bolna"));
    }
    let e164 = in_e164(&new.number)?;
    sqlx::query_file_scalar!("sql/tenants/insert_number.sql", new.name, e164, new.bolna_phone_number_id, new.created_by)
        .fetch_one(conn)
        .await
        .map_err(|error| match broken_constraint(&error) {
            Some("phone_numbers_active_number_key" | "phone_numbers_active_e164_key") => TenantError::NumberInUse,
            Some("phone_numbers_bolna_phone_number_id_key") => {
                TenantError::Invalid("another number has this id at Bolna already")
            }
            _ => TenantError::Database(error),
        })
}

fn in_e164(number: &str) -> Result<String, TenantError> {
    normalise_e164(number, None)
        .ok_or(TenantError::Invalid("a number must begin with + and its country code, such as +12025550100"))
}

/// Gives a number to an agent of a tenant and, in the same transaction, gives back
/// to the pipeline the tenant's events that were held for want of it.
///
/// The tenant's lane is locked first: whoever processes the tenant's events either
/// sees the number, or has put its events where they are found here.
///
/// # Errors
/// When there is no such number or agent, or the number is another tenant's.
pub async fn assign(
    conn: &mut PgConnection,
    number: &str,
    user_id: Uuid,
    agent_id: Uuid,
) -> Result<Assigned, TenantError> {
    let e164 = in_e164(number)?;
    let mut tx = conn.begin().await?;
    lock_lane(&mut tx, user_id).await?;
    let country_code = sqlx::query_scalar!(
        "SELECT u.default_country_code FROM public.users u JOIN public.agents a ON a.user_id = u.id WHERE a.user_id = $1 AND a.id = $2",
        user_id,
        agent_id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(TenantError::UnknownAgent)?;
    let known = sqlx::query_file!("sql/tenants/lock_number.sql", e164)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::UnknownNumber)?;
    if known.user_id.is_some_and(|owner| owner != user_id) {
        return Err(TenantError::NumberOfAnother);
    }
    sqlx::query_file!("sql/tenants/assign_number.sql", known.id, Some(user_id), Some(agent_id), Some(&e164))
        .execute(&mut *tx)
        .await?;
    let released_events = release_events(&mut tx, user_id, &e164, country_code.as_deref()).await?;
    tx.commit().await?;
    Ok(Assigned { number_id: known.id, released_events })
}

/// Takes a number from its tenant; returns the number's row and whose it was.
/// Calls that it led to stay where they are.
///
/// # Errors
/// When there is no such number.
pub async fn release(conn: &mut PgConnection, number: &str) -> Result<(Uuid, Option<Uuid>), TenantError> {
    let e164 = in_e164(number)?;
    let mut tx = conn.begin().await?;
    let known = sqlx::query_file!("sql/tenants/lock_number.sql", e164)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::UnknownNumber)?;
    sqlx::query_file!("sql/tenants/assign_number.sql", known.id, None::<Uuid>, None::<Uuid>, Some(&e164))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((known.id, known.user_id))
}

/// The numbers in use, by number; of one tenant or of all.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(conn: &mut PgConnection, user_id: Option<Uuid>) -> Result<Vec<NumberRow>, TenantError> {
    Ok(sqlx::query_file_as!(NumberRow, "sql/tenants/list_numbers.sql", user_id as Option<Uuid>).fetch_all(conn).await?)
}

/// Events say their number in their bodies only, so these are read again.
async fn release_events(
    tx: &mut PgConnection,
    user_id: Uuid,
    e164: &str,
    country_code: Option<&str>,
) -> Result<u64, sqlx::Error> {
    let mut released = 0;
    let mut after = i64::MIN;
    loop {
        let held = sqlx::query_file!("sql/tenants/held_for_a_number.sql", user_id, after, LOOKED_AT_ONCE)
            .fetch_all(&mut *tx)
            .await?;
        let Some(last) = held.last() else { return Ok(released) };
        after = last.inbox_id;
        let of_number = held.iter().filter(|event| {
            let parsed = parse(&event.provider, &event.body, event.received_at);
            let number = parsed.and_then(|event| event.facts.agent_number);
            number.and_then(|number| normalise_e164(&number, country_code)).as_deref() == Some(e164)
        });
        let inbox_ids: Vec<i64> = of_number.map(|event| event.inbox_id).collect();
        released += sqlx::query_file!("sql/tenants/release_held.sql", user_id, &inbox_ids)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
}

/// For its number only: the event is parsed again when it is applied.
fn parse(provider: &str, body: &[u8], received_at: DateTime<Utc>) -> Option<Event> {
    match provider.parse::<Provider>().ok()? {
        Provider::Bolna => parse_bolna(body, received_at, [0; 32]).ok(),
        Provider::Twilio => parse_twilio(body, received_at, [0; 32]).ok(),
        Provider::Analysis => None,
    }
}
