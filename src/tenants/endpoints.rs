//! A tenant's endpoints: their names, their secrets, who may send to them.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{Acquire, PgConnection};
use tallyline_model::Provider;
use uuid::Uuid;

use super::TenantError;
use crate::receiver::is_account_sid;
use tallyline_secrets::SealingKey;
use tallyline_secrets::signature::standard;

/// Characters of an endpoint's name: 120 random bits.
const NAME_CHARS: usize = 24;
const SECRET_BYTES: usize = 32;
/// A secret that somebody brings must be at least this long.
const MIN_SUPPLIED_CHARS: usize = 16;

/// The account whose calls a tenant's Twilio endpoint reports.
#[derive(Clone, Default)]
pub struct TwilioAccount {
    /// Key with which Twilio signs; without one a random one is made.
    pub auth_token: Option<String>,
    /// `AC` and 32 hex digits; events of another account go to quarantine then.
    pub account_sid: Option<String>,
}

impl fmt::Debug for TwilioAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioAccount").field("account_sid", &self.account_sid).finish_non_exhaustive()
    }
}

/// An endpoint as told to its tenant, once: the secret can not be read again.
#[derive(Clone)]
pub struct CreatedEndpoint {
    pub provider: Provider,
    /// Last part of the address `/webhooks/{provider}/{endpoint}`.
    pub endpoint: String,
    pub secret: String,
}

impl fmt::Debug for CreatedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedEndpoint")
            .field("provider", &self.provider)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// An endpoint without its secret.
#[derive(Debug, Clone)]
pub struct EndpointRow {
    pub provider: String,
    pub endpoint: String,
    pub account_sid: Option<String>,
    /// Addresses and networks that may send; `None`: all.
    pub allowed_ips: Option<Vec<String>>,
    /// Until when the secret before the last rotation is accepted too.
    pub previous_expires_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
}

/// What is stored of a secret: its hash (Bolna) or the sealed key (the others).
struct Material {
    secret: String,
    sha256: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
}

pub(super) async fn create(
    conn: &mut PgConnection,
    key: &SealingKey,
    user_id: Uuid,
    provider: Provider,
    twilio: &TwilioAccount,
) -> Result<CreatedEndpoint, TenantError> {
    let endpoint = random_name();
    let account = (provider == Provider::Twilio).then_some(twilio);
    let supplied = account.and_then(|account| account.auth_token.as_deref());
    let account_sid = account.and_then(|account| account.account_sid.as_deref());
    if account_sid.is_some_and(|sid| !is_account_sid(sid) || sid.to_lowercase() != sid.replacen("AC", "ac", 1)) {
        return Err(TenantError::Invalid("the account SID must be AC and 32 hex digits in lower case"));
    }
    let material = material(key, provider, &endpoint, supplied)?;
    sqlx::query_file!(
        "sql/tenants/insert_endpoint.sql",
        &endpoint,
        user_id,
        provider.as_str(),
        material.sha256,
        material.sealed,
        account_sid,
    )
    .execute(conn)
    .await?;
    Ok(CreatedEndpoint { provider, endpoint, secret: material.secret })
}

/// Gives the endpoint of `provider` a new secret: `supplied`, else a random one.
/// The one that it replaces is accepted for `overlap`, then no more; the one
/// before that is refused at once.
///
/// # Errors
/// When the tenant has no such endpoint, or the supplied secret is unusable.
pub async fn rotate_secret(
    conn: &mut PgConnection,
    key: &SealingKey,
    user_id: Uuid,
    provider: Provider,
    supplied: Option<&str>,
    overlap: Duration,
) -> Result<CreatedEndpoint, TenantError> {
    let mut tx = conn.begin().await?;
    let found = sqlx::query_file!("sql/tenants/lock_endpoint.sql", user_id, provider.as_str())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::NoEndpoint(provider.as_str()))?;
    let overlap = chrono::Duration::from_std(overlap)
        .ok()
        .filter(|overlap| *overlap <= chrono::Duration::days(366))
        .ok_or(TenantError::Invalid("the overlap must be at most a year"))?;
    let material = material(key, provider, &found.endpoint, supplied)?;
    sqlx::query_file!(
        "sql/tenants/rotate_secret.sql",
        user_id,
        &found.endpoint,
        material.sha256,
        material.sealed,
        found.now + overlap,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(CreatedEndpoint { provider, endpoint: found.endpoint, secret: material.secret })
}

/// Sets the addresses and networks from which the endpoint of `provider` takes
/// events; `None`: from everywhere.
///
/// # Errors
/// When the tenant has no such endpoint or a text is no address.
pub async fn set_allowed_ips(
    conn: &mut PgConnection,
    user_id: Uuid,
    provider: Provider,
    allowed: Option<&[String]>,
) -> Result<(), TenantError> {
    let done = sqlx::query_file!("sql/tenants/set_allowed_ips.sql", user_id, provider.as_str(), allowed)
        .execute(conn)
        .await
        .map_err(|error| match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("22P02") => TenantError::Invalid("an address must be an IP address or a network such as 10.0.0.0/8"),
            _ => TenantError::Database(error),
        })?;
    match done.rows_affected() {
        0 => Err(TenantError::NoEndpoint(provider.as_str())),
        _ => Ok(()),
    }
}

/// The endpoints of a tenant, without their secrets.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list_endpoints(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<EndpointRow>, TenantError> {
    Ok(sqlx::query_file_as!(EndpointRow, "sql/tenants/list_endpoints.sql", user_id).fetch_all(conn).await?)
}

fn material(
    key: &SealingKey,
    provider: Provider,
    endpoint: &str,
    supplied: Option<&str>,
) -> Result<Material, TenantError> {
    if supplied.is_some_and(|secret| secret.len() < MIN_SUPPLIED_CHARS || !secret.bytes().all(|b| b.is_ascii_graphic()))
    {
        return Err(TenantError::Invalid("a secret must be at least 16 characters, none of them blank"));
    }
    let secret = supplied.map_or_else(|| random_secret(provider), str::to_owned);
    let (sha256, signing_key) = match provider {
        Provider::Bolna => (Some(Sha256::digest(&secret).to_vec()), None),
        Provider::Twilio => (None, Some(secret.clone().into_bytes())),
        Provider::Analysis => {
            let key = standard::key_of_secret(&secret)
                .ok_or(TenantError::Invalid("the secret must be whsec_ and the key in base64"))?;
            (None, Some(key))
        }
    };
    let sealed = signing_key.map(|signing| key.seal(endpoint, &signing)).transpose()?;
    Ok(Material { secret, sha256, sealed })
}

fn random_secret(provider: Provider) -> String {
    let mut bytes = [0; SECRET_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    match provider {
        Provider::Bolna => URL_SAFE_NO_PAD.encode(bytes),
        Provider::Twilio => hex::encode(&bytes[..16]),
        Provider::Analysis => standard::secret_of_key(&bytes),
    }
}

fn random_name() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; NAME_CHARS];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}
