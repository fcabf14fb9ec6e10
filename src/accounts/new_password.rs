//! Another password, for who knows the present one.

use sqlx::{PgConnection, PgPool};
use tallyline_jobs::settings::Settings;
use uuid::Uuid;

use super::sign_in::{self, SignInError};
use super::{Account, PasswordError, Source, password};

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("The present password is another.")]
    Wrong,
    #[error("Too many failures; try again in {0} minutes.")]
    Locked(i32),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// Checks the old password, and gives the hash of the new one for [`set_password`].
/// Whoever found an open session may not guess: tries count as those to sign in do.
///
/// # Errors
/// See [`ChangeError`].
pub async fn check_password(
    pool: &PgPool,
    settings: &Settings,
    account: &Account,
    old: String,
    new: String,
    source: &Source,
) -> Result<String, ChangeError> {
    let email = account.email.to_lowercase();
    let attempt = match sign_in::begin_attempt(pool, settings, &email, source).await {
        Ok(attempt) => attempt,
        Err(SignInError::Locked(minutes)) => return Err(ChangeError::Locked(minutes)),
        Err(SignInError::Database(error)) => return Err(error.into()),
        Err(SignInError::Refused) => return Err(ChangeError::Wrong),
    };
    let hash = sqlx::query_scalar!("SELECT password_hash FROM public.users WHERE id = $1", account.user_id)
        .fetch_optional(pool)
        .await?
        .flatten();
    if !password::verify(old, hash).await {
        return Err(ChangeError::Wrong);
    }
    sign_in::succeeded(pool, attempt).await?;
    let least = usize::try_from(settings.password_min_length).unwrap_or(usize::MAX);
    Ok(password::hash(new, least).await?)
}

/// Sets a password by its hash; a link that was made before is void.
///
/// # Errors
/// When the database refuses.
pub async fn set_password(db: &mut PgConnection, user_id: Uuid, hash: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE public.users SET password_hash = $2, password_reset_token = NULL, password_reset_expires = NULL,
             updated_at = now() WHERE id = $1",
        user_id,
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}
