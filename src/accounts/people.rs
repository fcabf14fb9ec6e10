//! Accounts as an administrator sees them: add, list, change.

use chrono::{DateTime, Utc};
use sqlx::{Acquire as _, PgConnection, PgPool};
use uuid::Uuid;

use super::{Role, role_of, sessions};

/// Why an account was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("there is an account with this e-mail address already")]
    Taken,
    #[error("there is no such account")]
    Unknown,
    #[error("this is the last super_admin who can sign in")]
    Last,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the database could not do it: {0}")]
    Database(#[from] sqlx::Error),
}

/// An account in a list.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AccountRow {
    pub user_id: Uuid,
    pub email: String,
    pub name: String,
    pub role: String,
    pub is_active: bool,
    pub has_password: bool,
    pub last_login: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Sessions that can be used.
    pub sessions: i64,
    /// API tokens that are not revoked.
    pub tokens: i64,
}

/// Adds an account without a password; a link sets it.
///
/// # Errors
/// When the address is taken or cannot be one.
pub async fn add(db: &mut PgConnection, email: &str, name: &str, role: Role) -> Result<Uuid, PeopleError> {
    let (email, name) = (email.trim(), name.trim());
    if name.is_empty() || name.len() > 255 {
        return Err(PeopleError::Invalid("an account needs a name of at most 255 bytes"));
    }
    if email.len() > 255
        || email.chars().any(|c| c.is_whitespace() || c.is_control())
        || email.find('@').unwrap_or(0) == 0
    {
        return Err(PeopleError::Invalid("this is no e-mail address"));
    }
    let mut tx = db.begin().await?;
    let user_id = sqlx::query_file_scalar!("sql/accounts/insert_account.sql", email, name, role.as_str())
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query!("INSERT INTO tally.user_emails (email_lower, user_id) VALUES (lower($1::text), $2)", email, user_id)
        .execute(&mut *tx)
        .await
        .map_err(|error| match error.as_database_error().and_then(|error| error.constraint()) {
            Some("user_emails_pkey") => PeopleError::Taken,
            _ => PeopleError::Database(error),
        })?;
    // An account is a tenant too, whether or not it ever has a call.
    sqlx::query!("INSERT INTO tally.lanes (user_id) VALUES ($1)", user_id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(user_id)
}

/// The account with this e-mail address, whatever its case, and its role.
///
/// # Errors
/// When the database cannot be asked; likewise below.
pub async fn by_email(pool: &PgPool, email: &str) -> Result<Option<(Uuid, Role)>, sqlx::Error> {
    let found = sqlx::query_file!("sql/accounts/account.sql", email.trim().to_lowercase()).fetch_optional(pool).await?;
    Ok(found.map(|account| (account.user_id, role_of(&account.role))))
}

/// Up to `limit` accounts after an e-mail address.
///
/// # Errors
/// As above.
pub async fn list(pool: &PgPool, after: &str, limit: i64) -> Result<Vec<AccountRow>, sqlx::Error> {
    sqlx::query_file_as!(AccountRow, "sql/accounts/accounts.sql", after.to_lowercase(), limit).fetch_all(pool).await
}

/// Whether some super_admin can sign in.
///
/// # Errors
/// As above.
pub async fn has_super_admin(db: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM public.users
           WHERE role = 'super_admin' AND is_active AND password_hash IS NOT NULL) AS "has!""#
    )
    .fetch_one(db)
    .await
}

/// Gives an account another role, or opens or closes it; a closed one's sessions
/// end. The role before and whether it was open.
///
/// # Errors
/// When there is no such account, or nobody would be left to run the others.
pub async fn change(
    db: &mut PgConnection,
    user_id: Uuid,
    role: Option<Role>,
    is_active: Option<bool>,
) -> Result<(Role, bool), PeopleError> {
    let mut tx = db.begin().await?;
    // Two who demote each other would leave nobody.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('accounts', 0))").execute(&mut *tx).await?;
    let before = sqlx::query!("SELECT role, is_active FROM public.users WHERE id = $1 FOR UPDATE", user_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(PeopleError::Unknown)?;
    let had = has_super_admin(&mut tx).await?;
    sqlx::query!(
        "UPDATE public.users SET role = coalesce($2, role), is_active = coalesce($3, is_active), updated_at = now()
         WHERE id = $1",
        user_id,
        role.map(Role::as_str),
        is_active,
    )
    .execute(&mut *tx)
    .await?;
    if had && !has_super_admin(&mut tx).await? {
        return Err(PeopleError::Last);
    }
    if is_active == Some(false) {
        sessions::close_all(&mut tx, user_id).await?;
    }
    tx.commit().await?;
    Ok((role_of(&before.role), before.is_active))
}
