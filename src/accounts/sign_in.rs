//! Signing in with a password, and what too many failures do.
//!
//! A failure counts against the pair of account and network, against the network,
//! and against the account. Nobody can lock somebody else out: the account's count
//! shuts out only networks from which it was never signed in to.

use std::net::IpAddr;

use sqlx::{PgExecutor, PgPool};
use tallyline_jobs::settings::Settings;
use uuid::Uuid;

use super::{Account, Opened, network, password, role_of, sessions};

/// So many times the limit of a pair may one network fail, whatever the accounts.
const NETWORK_FACTOR: i64 = 10;
/// So many times the limit of a pair may an account be tried from strange networks.
const ACCOUNT_FACTOR: i64 = 20;

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct Source {
    pub address: IpAddr,
    /// At most 500 characters are kept.
    pub user_agent: Option<String>,
}

impl Source {
    /// The address as `inet` text.
    pub fn address_text(&self) -> String {
        self.address.to_canonical().to_string()
    }

    /// What is kept of the browser's or program's name.
    pub fn agent_text(&self) -> Option<String> {
        self.user_agent.as_ref().map(|text| text.chars().filter(|c| !c.is_control()).take(500).collect())
    }
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// One answer for an unknown address, a wrong password and a closed account.
    #[error("the e-mail address and the password do not belong together")]
    Refused,
    #[error("too many failures; try again in {0} minutes")]
    Locked(i32),
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// Opens a session. The attempt is written down before the password is looked at,
/// so attempts at the same moment count too.
///
/// # Errors
/// See [`SignInError`].
pub async fn sign_in(
    pool: &PgPool,
    settings: &Settings,
    email: &str,
    password: String,
    source: &Source,
) -> Result<(Account, Opened), SignInError> {
    let email = email.trim().to_lowercase();
    if email.is_empty() || email.len() > 255 || email.contains('\0') {
        return Err(SignInError::Refused);
    }
    let attempt = begin_attempt(pool, settings, &email, source).await?;
    let account = sqlx::query_file!("sql/accounts/account.sql", &email).fetch_optional(pool).await?;
    let hash = account.as_ref().filter(|account| account.is_active).and_then(|account| account.password_hash.clone());
    let is_right = password::verify(password, hash).await;
    let Some(account) = account.filter(|_| is_right) else {
        metrics::counter!("tallyline_sign_ins_total", "outcome" => "refused").increment(1);
        return Err(SignInError::Refused);
    };
    let account =
        Account { user_id: account.user_id, email: account.email, name: account.name, role: role_of(&account.role) };
    let mut tx = pool.begin().await?;
    succeeded(&mut *tx, attempt).await?;
    sqlx::query!("UPDATE public.users SET last_login = now() WHERE id = $1", account.user_id).execute(&mut *tx).await?;
    let opened = sessions::open(&mut tx, settings, account.user_id, source).await?;
    tx.commit().await?;
    metrics::counter!("tallyline_sign_ins_total", "outcome" => "succeeded").increment(1);
    Ok((account, opened))
}

/// The attempt was none of a guesser.
pub(super) async fn succeeded(db: impl PgExecutor<'_>, attempt: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE public.login_attempts SET success = true, failure_reason = NULL WHERE id = $1", attempt)
        .execute(db)
        .await?;
    Ok(())
}

/// Writes an attempt down, as a failure until it succeeds; refused when there were
/// too many. Attempts at one account are begun one after the other.
pub(super) async fn begin_attempt(
    pool: &PgPool,
    settings: &Settings,
    email: &str,
    source: &Source,
) -> Result<Uuid, SignInError> {
    let (address, network) = (source.address_text(), network::of(source.address));
    let minutes = settings.lockout_duration_minutes;
    let most = i64::from(settings.max_login_attempts);
    let mut tx = pool.begin().await?;
    for name in [email, &network] {
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('sign-in ' || $1, 0))", name)
            .execute(&mut *tx)
            .await?;
    }
    let failures = sqlx::query_file!("sql/accounts/failures.sql", email, &network, minutes).fetch_one(&mut *tx).await?;
    let is_locked = failures.of_pair >= most
        || failures.of_network >= most * NETWORK_FACTOR
        || (failures.of_account >= most * ACCOUNT_FACTOR && !failures.is_known);
    let reason = if is_locked { "locked" } else { "wrong_credentials" };
    let attempt = sqlx::query_scalar!(
        "INSERT INTO public.login_attempts (email, ip_address, success, failure_reason)
         VALUES ($1, $2::text::inet, false, $3) RETURNING id",
        email,
        address,
        reason,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    if is_locked {
        metrics::counter!("tallyline_sign_ins_total", "outcome" => "locked").increment(1);
        return Err(SignInError::Locked(minutes));
    }
    Ok(attempt)
}
