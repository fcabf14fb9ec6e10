//! A tenant's accounts at its providers: where their API is, and the sealed key to it.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use reqwest::Url;
use sqlx::{PgConnection, PgPool};
use tallyline_model::Provider;
use tallyline_secrets::{SealingError, SealingKey};
use uuid::Uuid;

use crate::admin_log::COMMAND_LINE;

/// Why an operator's account is not in use.
pub const DISABLED_BY_OPERATOR: &str = "operator";

const MAX_KEY_BYTES: usize = 4096;

/// Where the API of each provider is when nothing else is said.
pub fn default_base_url(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Bolna => Some("https://api.bolna.ai"),
        Provider::Twilio => Some("https://api.twilio.com"),
        Provider::Analysis => None,
    }
}

/// Why an account cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the provider must be bolna or twilio")]
    Provider,
    #[error("the address must begin with https:// (http:// on this machine only) and hold no user, query or fragment")]
    BaseUrl,
    #[error("Twilio's account SID must be AC and 32 hex digits in lower case; Bolna has none")]
    AccountSid,
    #[error("the key must be 1 to 4096 visible characters without blanks")]
    Key,
    #[error("no such tenant, or one that is nobody's")]
    UnknownTenant,
    #[error("the tenant has no account at {0}")]
    NoAccount(&'static str),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error("the database could not do it: {0}")]
    Database(#[from] sqlx::Error),
}

impl AccountError {
    /// Whether what was given is at fault.
    pub fn is_wrong_usage(&self) -> bool {
        !matches!(self, Self::Sealing(_) | Self::Database(_))
    }
}

/// An account to be written.
pub struct NewAccount<'a> {
    pub user_id: Uuid,
    pub provider: Provider,
    pub base_url: &'a str,
    /// Of Twilio only.
    pub account_sid: Option<&'a str>,
    /// Bolna's API key, Twilio's auth token.
    pub key: &'a str,
}

/// An account without its key.
#[derive(Debug, Clone)]
pub struct AccountRow {
    pub user_id: Uuid,
    pub provider: String,
    pub base_url: String,
    pub account_sid: Option<String>,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<String>,
    /// Everything that the provider has listed up to then was read and stored.
    pub reconciled_until: Option<DateTime<Utc>>,
    pub last_run_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

/// An account in use. Its key is in here: never printed.
pub(crate) struct Account {
    pub(crate) user_id: Uuid,
    pub(crate) provider: Provider,
    pub(crate) base_url: Url,
    /// As stored, to know the row again.
    pub(crate) stored_base_url: String,
    pub(crate) account_sid: Option<String>,
    pub(crate) key: String,
    pub(crate) reconciled_until: Option<DateTime<Utc>>,
    /// Calls before this have gone to history and can no longer change.
    pub(crate) frozen_before: Option<DateTime<Utc>>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("provider", &self.provider)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// The address of an API: encrypted, unless it is on this machine.
///
/// # Errors
/// [`AccountError::BaseUrl`].
pub fn parse_base_url(text: &str) -> Result<Url, AccountError> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(|_| AccountError::BaseUrl)?;
    let loopback = url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    });
    let encrypted = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if encrypted && plain && url.has_host() { Ok(url) } else { Err(AccountError::BaseUrl) }
}

/// What a key is sealed for: a row whose address or account was changed does not open.
fn context(user_id: Uuid, provider: Provider, base_url: &str, account_sid: Option<&str>) -> String {
    format!("provider_account:{user_id}:{}:{base_url}:{}", provider.as_str(), account_sid.unwrap_or_default())
}

/// Writes the account of the tenant at the provider; one that was disabled is in use again. What was
/// reconciled stays so only while address and account are the same.
///
/// # Errors
/// When something given is unusable, the tenant is unknown, or the database refuses.
pub async fn set(conn: &mut PgConnection, sealing: &SealingKey, new: &NewAccount<'_>) -> Result<(), AccountError> {
    if default_base_url(new.provider).is_none() {
        return Err(AccountError::Provider);
    }
    let url = parse_base_url(new.base_url)?;
    let base_url = url.as_str().trim_end_matches('/');
    let sid_fits = match (new.provider, new.account_sid) {
        (Provider::Twilio, Some(sid)) => is_account_sid(sid),
        (Provider::Bolna, None) => true,
        _ => false,
    };
    if !sid_fits {
        return Err(AccountError::AccountSid);
    }
    if new.key.is_empty() || new.key.len() > MAX_KEY_BYTES || !new.key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AccountError::Key);
    }
    if new.user_id == COMMAND_LINE {
        return Err(AccountError::UnknownTenant);
    }
    let sealed = sealing.seal(&context(new.user_id, new.provider, base_url, new.account_sid), new.key.as_bytes())?;
    let written = sqlx::query_file!(
        "../sql/reconcile/set_account.sql",
        new.user_id,
        new.provider.as_str(),
        base_url,
        new.account_sid,
        sealed,
    )
    .execute(conn)
    .await?;
    if written.rows_affected() == 0 { Err(AccountError::UnknownTenant) } else { Ok(()) }
}

fn is_account_sid(text: &str) -> bool {
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("AC").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(lower_hex))
}

/// Takes the account out of use.
///
/// # Errors
/// When there is none, or the database refuses.
pub async fn disable(conn: &mut PgConnection, user_id: Uuid, provider: Provider) -> Result<(), AccountError> {
    let done = sqlx::query_file!(
        "../sql/reconcile/disable_account.sql",
        user_id,
        provider.as_str(),
        DISABLED_BY_OPERATOR,
        None::<&[u8]>
    )
    .execute(conn)
    .await?;
    if done.rows_affected() == 0 { Err(AccountError::NoAccount(provider.as_str())) } else { Ok(()) }
}

/// The accounts of a tenant, or of all, without their keys.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(conn: &mut PgConnection, user_id: Option<Uuid>) -> Result<Vec<AccountRow>, AccountError> {
    Ok(sqlx::query_file_as!(AccountRow, "../sql/reconcile/list_accounts.sql", user_id).fetch_all(conn).await?)
}

/// An account that is in use, as found; its key may not open.
pub(crate) struct Found {
    pub(crate) provider: Provider,
    /// As stored, to know the key again.
    pub(crate) sealed_key: Vec<u8>,
    pub(crate) account: Result<Account, AccountError>,
}

/// The accounts in use of a tenant that is active.
pub(crate) async fn in_use(pool: &PgPool, sealing: &SealingKey, user_id: Uuid) -> Result<Vec<Found>, sqlx::Error> {
    let rows = sqlx::query_file!("../sql/reconcile/accounts_in_use.sql", user_id, COMMAND_LINE).fetch_all(pool).await?;
    let found = rows.into_iter().filter_map(|row| {
        let provider: Provider = row.provider.parse().ok()?;
        let opened = parse_base_url(&row.base_url).and_then(|base_url| {
            let context = context(user_id, provider, &row.base_url, row.account_sid.as_deref());
            let key = sealing.unseal(&context, &row.sealed_key)?;
            let key = String::from_utf8(key).map_err(|_| AccountError::Key)?;
            Ok((base_url, key))
        });
        let account = opened.map(|(base_url, key)| Account {
            user_id,
            provider,
            base_url,
            stored_base_url: row.base_url,
            account_sid: row.account_sid,
            key,
            reconciled_until: row.reconciled_until,
            frozen_before: row.frozen_before,
        });
        Some(Found { provider, sealed_key: row.sealed_key, account })
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_encrypted_or_not_at_all() {
        for good in [
            "https://api.bolna.ai",
            "https://api.bolna.ai/v2/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(parse_base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.bolna.ai",
            "ftp://127.0.0.1",
            "https://user@api.bolna.ai",
            "https://api.bolna.ai?x=1",
            "https://api.bolna.ai#x",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "api.bolna.ai",
            "",
        ] {
            assert!(parse_base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_opens_for_its_own_row_only() {
        let (tenant, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let own = context(tenant, Provider::Twilio, "https://a.test", Some("AC1"));
        for foreign in [
            context(other, Provider::Twilio, "https://a.test", Some("AC1")),
            context(tenant, Provider::Bolna, "https://a.test", Some("AC1")),
            context(tenant, Provider::Twilio, "https://b.test", Some("AC1")),
            context(tenant, Provider::Twilio, "https://a.test", Some("AC2")),
        ] {
            assert_ne!(own, foreign);
        }
    }
}
