//! Tokens for programs, sent as `Authorization: Bearer tly_…`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Account, Principal, Via, role_of, token};

const PREFIX: &str = "tly_";

/// A token as it is listed: never the secret itself.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ApiTokenRow {
    pub id: Uuid,
    pub name: String,
    pub may_change: bool,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Makes a token for an account; it is shown this once.
///
/// # Errors
/// When there is no such account, the name is empty or longer than 100 characters,
/// or the database cannot be asked; likewise below.
pub async fn create(
    db: &mut PgConnection,
    user_id: Uuid,
    name: &str,
    may_change: bool,
    days: Option<i32>,
) -> Result<(Uuid, String), sqlx::Error> {
    let id = Uuid::new_v4();
    let (text, hash) = token::make(PREFIX, user_id, id);
    sqlx::query!(
        "INSERT INTO tally.api_tokens (user_id, id, name, token_hash, may_change, expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + make_interval(days => $6))",
        user_id,
        id,
        name,
        hash,
        may_change,
        days,
    )
    .execute(db)
    .await?;
    Ok((id, text))
}

/// Who holds this token, if it is good.
///
/// # Errors
/// As above.
pub async fn find(pool: &PgPool, text: &str) -> Result<Option<Principal>, sqlx::Error> {
    let Some(claimed) = token::read(PREFIX, text) else { return Ok(None) };
    let found = sqlx::query_file!("sql/accounts/api_token.sql", claimed.user_id, claimed.id, claimed.hash)
        .fetch_optional(pool)
        .await?;
    let Some(row) = found else { return Ok(None) };
    if row.is_idle {
        sqlx::query!(
            "UPDATE tally.api_tokens SET last_used_at = now() WHERE user_id = $1 AND id = $2",
            claimed.user_id,
            claimed.id
        )
        .execute(pool)
        .await?;
    }
    let account = Account { user_id: row.user_id, email: row.email, name: row.name, role: role_of(&row.role) };
    Ok(Some(Principal { account, via: Via::ApiToken { id: claimed.id, may_change: row.may_change } }))
}

/// The tokens of an account, revoked ones too.
///
/// # Errors
/// As above.
pub async fn list(pool: &PgPool, user_id: Uuid) -> Result<Vec<ApiTokenRow>, sqlx::Error> {
    sqlx::query_file_as!(ApiTokenRow, "sql/accounts/api_tokens.sql", user_id).fetch_all(pool).await
}

/// Takes a token out of use, for good.
///
/// # Errors
/// As above.
pub async fn revoke(db: &mut PgConnection, user_id: Uuid, id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE tally.api_tokens SET revoked_at = now() WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL",
        user_id,
        id
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
