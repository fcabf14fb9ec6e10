//! Follow-ups by hand. Those that analyses ask for come by themselves.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use tallyline_model::normalise_e164;
use uuid::Uuid;

use super::TenantError;

/// Longest texts that the columns hold, in characters.
const NUMBER_CHARS: usize = 50;
const NAME_CHARS: usize = 255;

/// Whom to speak to again, and when. A number or an e-mail address is needed.
#[derive(Debug, Clone, Default)]
pub struct NewFollowUp {
    pub phone: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// A day of the tenant's zone.
    pub date: NaiveDate,
    pub remark: Option<String>,
    /// The call that it comes from.
    pub call_id: Option<Uuid>,
}

/// A follow-up as it is.
#[derive(Debug, Clone, Serialize)]
pub struct FollowUpRow {
    pub id: Uuid,
    pub follow_up_date: NaiveDate,
    /// pending, completed or cancelled.
    pub status: String,
    /// manual or analysis.
    pub source: String,
    pub lead_phone: Option<String>,
    pub phone_e164: Option<String>,
    pub lead_email: Option<String>,
    pub lead_name: Option<String>,
    pub remark: Option<String>,
    pub call_id: Option<Uuid>,
    /// The contact of the number.
    pub contact_id: Option<Uuid>,
    /// When a hand changed it; no analysis does any more.
    pub edited_at: Option<DateTime<Utc>>,
    /// The date that the tenant was reminded of.
    pub reminded_date: Option<NaiveDate>,
    pub completed_at: Option<DateTime<Utc>>,
}

/// What becomes of a pending follow-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUpChange {
    Complete,
    Cancel,
    /// It is reminded of again.
    Reschedule(NaiveDate),
}

/// Adds a follow-up; `created_by` is who does it. Its number is kept as given and, if
/// it is one, in E.164, as contacts have it.
///
/// # Errors
/// When there is neither number nor address, a text is too long, or the tenant or its
/// call is not there.
pub async fn add_follow_up(
    conn: &mut PgConnection,
    user_id: Uuid,
    new: &NewFollowUp,
    created_by: Uuid,
) -> Result<Uuid, TenantError> {
    if new.phone.is_none() && new.email.is_none() {
        return Err(TenantError::Invalid("a follow-up needs a number or an e-mail address"));
    }
    let too_long = |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.chars().count() > most);
    if too_long(&new.phone, NUMBER_CHARS) || too_long(&new.email, NAME_CHARS) || too_long(&new.name, NAME_CHARS) {
        return Err(TenantError::Invalid("a number has at most 50 characters, a name or e-mail address 255"));
    }
    let country_code = sqlx::query_scalar!("SELECT default_country_code FROM public.users WHERE id = $1", user_id)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or(TenantError::UnknownTenant)?;
    let phone_e164 = new.phone.as_deref().and_then(|phone| normalise_e164(phone, country_code.as_deref()));
    let inserted = sqlx::query_file_scalar!(
        "sql/follow_ups/insert_manual.sql",
        user_id,
        new.phone,
        phone_e164,
        new.email,
        new.name,
        new.date,
        new.remark,
        new.call_id,
        created_by,
    );
    let id = inserted.fetch_optional(conn).await.map_err(|error| {
        match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("23503") => TenantError::Invalid("the tenant has no such call"),
            _ => TenantError::Database(error),
        }
    })?;
    id.ok_or(TenantError::UnknownTenant)
}

/// The tenant's follow-ups, the next first, at most `limit`; of one status or all.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list_follow_ups(
    conn: &mut PgConnection,
    user_id: Uuid,
    status: Option<&str>,
    limit: i64,
) -> Result<Vec<FollowUpRow>, TenantError> {
    Ok(sqlx::query_file_as!(FollowUpRow, "sql/follow_ups/list.sql", user_id, status, limit).fetch_all(conn).await?)
}

/// Changes a pending follow-up; `changed_by` is who does it. Returns its date before.
///
/// # Errors
/// When the tenant has no such follow-up, or it is no longer pending.
pub async fn change_follow_up(
    conn: &mut PgConnection,
    user_id: Uuid,
    id: Uuid,
    change: FollowUpChange,
    changed_by: Uuid,
) -> Result<NaiveDate, TenantError> {
    let (status, date, completed_by) = match change {
        FollowUpChange::Complete => ("completed", None, Some(changed_by)),
        FollowUpChange::Cancel => ("cancelled", None, None),
        FollowUpChange::Reschedule(date) => ("pending", Some(date), None),
    };
    sqlx::query_file_scalar!("sql/follow_ups/change.sql", user_id, id, status, date, completed_by)
        .fetch_optional(conn)
        .await?
        .ok_or(TenantError::Invalid("the tenant has no such follow-up that is pending"))
}
