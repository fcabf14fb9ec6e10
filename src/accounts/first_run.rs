//! The first account: a link that is printed once, instead of a default password.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::PgPool;
use subtle::ConstantTimeEq as _;
use tallyline_jobs::admin_log;
use tallyline_jobs::settings::Settings;
use uuid::Uuid;

use super::people::{self, PeopleError};
use super::{PasswordError, Role, Source, password};

/// The link's secret, while nobody can sign in; lives as long as the process.
#[derive(Clone, Default)]
pub struct FirstRun(Arc<Mutex<Option<String>>>);

/// Why the first account was not made.
#[derive(Debug, thiserror::Error)]
pub enum FirstRunError {
    #[error("this link is no longer good: somebody can sign in already, or the daemon was started again")]
    NotGood,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl FirstRun {
    /// A link for the process to print, unless a super_admin can sign in.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn start(pool: &PgPool) -> Result<(Self, Option<String>), sqlx::Error> {
        if people::has_super_admin(&mut *pool.acquire().await?).await? {
            return Ok((Self::default(), None));
        }
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        Ok((Self(Arc::new(Mutex::new(Some(secret.clone())))), Some(secret)))
    }

    /// Whether this is the link.
    pub fn is(&self, secret: &str) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|held| held.as_bytes().ct_eq(secret.as_bytes()).into())
    }

    /// Makes the first super_admin; the link is used up.
    ///
    /// # Errors
    /// See [`FirstRunError`]; after one the link is as good as before.
    pub async fn make_account(
        &self,
        pool: &PgPool,
        settings: &Settings,
        secret: &str,
        who: (&str, &str),
        new_password: String,
        source: &Source,
    ) -> Result<Uuid, FirstRunError> {
        if !self.is(secret) {
            return Err(FirstRunError::NotGood);
        }
        let least = usize::try_from(settings.password_min_length).unwrap_or(usize::MAX);
        let hash = password::hash(new_password, least).await?;
        let mut tx = pool.begin().await.map_err(PeopleError::Database)?;
        let user_id = insert(&mut tx, who, &hash, source).await?;
        tx.commit().await.map_err(PeopleError::Database)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(user_id)
    }
}

/// Several processes may have printed links: the first to be used is the only one.
async fn insert(
    tx: &mut sqlx::PgConnection,
    (email, name): (&str, &str),
    hash: &str,
    source: &Source,
) -> Result<Uuid, FirstRunError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('accounts', 0))")
        .execute(&mut *tx)
        .await
        .map_err(PeopleError::Database)?;
    if people::has_super_admin(tx).await.map_err(PeopleError::Database)? {
        return Err(FirstRunError::NotGood);
    }
    let user_id = people::add(tx, email, name, Role::SuperAdmin).await?;
    sqlx::query!("UPDATE public.users SET password_hash = $2 WHERE id = $1", user_id, hash)
        .execute(&mut *tx)
        .await
        .map_err(PeopleError::Database)?;
    let entry = admin_log::Entry {
        admin_user_id: user_id,
        action: "account.first",
        resource_type: "account",
        resource_id: Some(user_id.to_string()),
        target_user_id: Some(user_id),
        details: serde_json::json!({ "role": "super_admin" }),
        address: Some(source.address_text()),
        user_agent: source.agent_text(),
    };
    admin_log::record(tx, &entry).await.map_err(PeopleError::Database)?;
    Ok(user_id)
}
