//! Links by which somebody sets a password, once.

use sqlx::{PgConnection, PgPool};
use tallyline_jobs::settings::Settings;
use uuid::Uuid;

use super::{PasswordError, Source, network, password, sessions, token};

const PREFIX: &str = "tll_";
/// So many uses of wrong links may one network try in an hour.
const MOST_TRIES: i64 = 20;

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("this link is no longer good; ask for another")]
    NotGood,
    #[error("too many tries; wait for an hour")]
    TooMany,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// Makes the link's token for an account; one made before is void.
///
/// # Errors
/// When there is no such account or the database cannot be asked.
pub async fn make_link(db: &mut PgConnection, settings: &Settings, user_id: Uuid) -> Result<String, sqlx::Error> {
    let (text, hash) = token::make(PREFIX, user_id, user_id);
    let done = sqlx::query!(
        "UPDATE public.users
         SET password_reset_token = $2, password_reset_expires = now() + make_interval(hours => $3)
         WHERE id = $1 AND is_active",
        user_id,
        hash,
        settings.password_reset_token_expiry_hours,
    )
    .execute(db)
    .await?;
    if done.rows_affected() == 0 { Err(sqlx::Error::RowNotFound) } else { Ok(text) }
}

/// Sets the password of the account that the link names and ends its sessions.
///
/// # Errors
/// See [`LinkError`]. Each try is in `password_reset_attempts`.
pub async fn use_link(
    pool: &PgPool,
    settings: &Settings,
    text: &str,
    new_password: String,
    source: &Source,
) -> Result<Uuid, LinkError> {
    if tries_of(pool, source).await? >= MOST_TRIES {
        return Err(LinkError::TooMany);
    }
    let least = usize::try_from(settings.password_min_length).unwrap_or(usize::MAX);
    let hash = password::hash(new_password, least).await?;
    let mut tx = pool.begin().await?;
    let email = match token::read(PREFIX, text) {
        Some(link) => {
            sqlx::query_file_scalar!("sql/accounts/use_link.sql", link.user_id, link.hash, hash)
                .fetch_optional(&mut *tx)
                .await?
        }
        None => None,
    };
    sqlx::query!(
        "INSERT INTO public.password_reset_attempts (email, ip_address, success) VALUES ($1, $2::text::inet, $3)",
        email.as_deref().unwrap_or("unknown"),
        source.address_text(),
        email.is_some(),
    )
    .execute(&mut *tx)
    .await?;
    let user_id = token::read(PREFIX, text).filter(|_| email.is_some()).map(|link| link.user_id);
    if let Some(user_id) = user_id {
        sessions::close_all(&mut tx, user_id).await?;
    }
    tx.commit().await?;
    user_id.ok_or(LinkError::NotGood)
}

async fn tries_of(pool: &PgPool, source: &Source) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "tries!" FROM public.password_reset_attempts
           WHERE ip_address <<= $1::text::inet AND NOT success AND attempted_at > now() - interval '1 hour'"#,
        network::of(source.address),
    )
    .fetch_one(pool)
    .await
}
