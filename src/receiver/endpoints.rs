//! Where a webhook was sent to: the tenant behind the address and what proves
//! that the sender is its provider. Looked up in the database, kept for seconds.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tallyline_model::Provider;
use tallyline_secrets::{SealingError, SealingKey};
use tokio::time::Instant;
use uuid::Uuid;

use super::connection::Borrowed;
use super::networks::Networks;

/// Most endpoints remembered; the unknown ones have a memory of their own, so
/// that guessing names does not push out the known ones.
const MAX_KNOWN: usize = 10_000;
const MAX_UNKNOWN: usize = 1_000;

/// Lookups that may be under way at once; those of one name are one at a time.
const LOOKUPS: usize = 8;

/// An endpoint as it was at `looked_up_at`.
pub struct Endpoint {
    /// The name in the address.
    pub name: Arc<str>,
    /// The tenant that every event of this endpoint belongs to.
    pub user_id: Uuid,
    /// Who sends here.
    pub provider: Provider,
    /// The account that Twilio's events must speak of, when it is known.
    pub account_sid: Option<String>,
    current: Vec<u8>,
    previous: Option<Vec<u8>>,
    previous_until: Instant,
    allowed: Option<Networks>,
    looked_up_at: Instant,
    now_unix_seconds: f64,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// SHA-256 of the bearer secret (Bolna) or the keys that sign (the others),
    /// the current one first, then the one before it while it is accepted. There
    /// are always two, so that a check takes as long with one as with both: the
    /// second is one that nobody knows where there is none.
    pub fn keys(&self) -> [Vec<u8>; 2] {
        let previous = self.previous.as_ref().filter(|_| Instant::now() < self.previous_until);
        [self.current.clone(), previous.cloned().unwrap_or_else(unknown_key)]
    }

    /// Whether the tenant lets its provider send from this address. One that is
    /// not known is on no list.
    pub fn allows(&self, client: Option<IpAddr>) -> bool {
        self.allowed.as_ref().is_none_or(|list| client.is_some_and(|client| list.contains(client)))
    }

    /// Seconds since 1970 by the database's clock.
    pub fn now_unix_seconds(&self) -> i64 {
        (self.now_unix_seconds + self.looked_up_at.elapsed().as_secs_f64()) as i64
    }

    /// The database's time now, reckoned from when the endpoint was looked up: it
    /// need not be there. A clock that is set meanwhile changes nothing.
    pub fn now(&self) -> DateTime<Utc> {
        let seconds = self.now_unix_seconds + self.looked_up_at.elapsed().as_secs_f64();
        DateTime::from_timestamp_micros((seconds * 1e6) as i64).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// An endpoint that nobody knows the keys of: an unknown address is checked
    /// against it, so that it costs and looks the same as a wrong secret.
    fn decoy(provider: Provider) -> Self {
        Self {
            name: Arc::from(""),
            user_id: Uuid::nil(),
            provider,
            account_sid: None,
            current: unknown_key(),
            previous: None,
            previous_until: Instant::now(),
            allowed: None,
            looked_up_at: Instant::now(),
            now_unix_seconds: 0.0,
        }
    }
}

/// Why an endpoint could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("the endpoint cannot be looked up: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Sealing(#[from] SealingError),
}

type Key = (Provider, String);
type Slot = (Instant, Option<Arc<Endpoint>>);

/// The endpoints, through a small memory.
pub struct Endpoints {
    pool: PgPool,
    key: SealingKey,
    keep: Duration,
    keep_stale: Duration,
    known: Mutex<HashMap<Key, Slot>>,
    unknown: Mutex<HashMap<Key, Slot>>,
    lookups: [tokio::sync::Mutex<()>; LOOKUPS],
    decoys: [Arc<Endpoint>; 3],
    /// Read and opened in place of the key of an endpoint that does not exist.
    sealed_decoy: Vec<u8>,
}

const DECOY: &str = "decoy";

impl Endpoints {
    /// Remembers an endpoint, and that a name is none, for `keep`; an endpoint for
    /// [`Endpoints::recall`] for `keep_stale`.
    pub fn new(pool: PgPool, key: SealingKey, keep: Duration, keep_stale: Duration) -> Self {
        let decoy = |provider| Arc::new(Endpoint::decoy(provider));
        // Sealing fails of texts of gigabytes only; nothing but time hangs on this one.
        let sealed_decoy = key.seal(DECOY, &unknown_key()).unwrap_or_default();
        Self {
            pool,
            key,
            sealed_decoy,
            keep,
            keep_stale: keep_stale.max(keep),
            known: Mutex::default(),
            unknown: Mutex::default(),
            lookups: Default::default(),
            decoys: [decoy(Provider::Bolna), decoy(Provider::Twilio), decoy(Provider::Analysis)],
        }
    }

    /// What stands in for an endpoint that does not exist.
    pub fn decoy(&self, provider: Provider) -> Arc<Endpoint> {
        let position = match provider {
            Provider::Bolna => 0,
            Provider::Twilio => 1,
            Provider::Analysis => 2,
        };
        Arc::clone(&self.decoys[position])
    }

    /// The endpoint of that name for that provider; `None` if there is none, or
    /// it is disabled.
    ///
    /// # Errors
    /// When the database cannot be asked or a stored key cannot be opened.
    pub async fn find(&self, provider: Provider, name: &str) -> Result<Option<Arc<Endpoint>>, LookupError> {
        if !is_name(name) {
            return Ok(None);
        }
        let key = (provider, name.to_owned());
        if let Some(found) = self.remembered(&key) {
            return Ok(found);
        }
        let _one_at_a_time = self.lookups[stripe(&key)].lock().await;
        if let Some(found) = self.remembered(&key) {
            return Ok(found);
        }
        let found = self.load(provider, name).await?.map(Arc::new);
        let (memory, most) = match found {
            Some(_) => (&self.known, MAX_KNOWN),
            None => (&self.unknown, MAX_UNKNOWN),
        };
        let (provider, name) = (key.0, key.1.clone());
        self.remember(&mut lock(memory), most, key, found.clone());
        if found.is_none() {
            lock(&self.known).remove(&(provider, name));
        }
        Ok(found)
    }

    /// The endpoint as it was when it was last looked up, if that is not too long
    /// ago; for when it cannot be looked up.
    pub fn recall(&self, provider: Provider, name: &str) -> Option<Arc<Endpoint>> {
        let memory = lock(&self.known);
        let (since, found) = memory.get(&(provider, name.to_owned()))?;
        found.clone().filter(|_| since.elapsed() < self.keep_stale)
    }

    fn remembered(&self, key: &Key) -> Option<Option<Arc<Endpoint>>> {
        // Both are looked into, so that what is found in the first takes no less.
        let [known, unknown] = [&self.known, &self.unknown].map(|memory| {
            let memory = lock(memory);
            let (since, found) = memory.get(key)?;
            (since.elapsed() < self.keep).then(|| found.clone())
        });
        known.or(unknown)
    }

    fn remember(&self, memory: &mut HashMap<Key, Slot>, most: usize, key: Key, found: Option<Arc<Endpoint>>) {
        if memory.len() >= most {
            memory.retain(|_, (since, _)| since.elapsed() < self.keep_stale);
        }
        if memory.len() >= most {
            memory.clear();
        }
        memory.insert(key, (Instant::now(), found));
    }

    async fn load(&self, provider: Provider, name: &str) -> Result<Option<Endpoint>, LookupError> {
        let (no_hash, no_key) = ([0; 32], &self.sealed_decoy);
        let mut borrowed = Borrowed::from(&self.pool).await?;
        let row =
            sqlx::query_file!("sql/receiver/find_endpoint.sql", name, provider.as_str(), &no_hash[..], &no_key[..])
                .fetch_one(borrowed.get())
                .await?;
        borrowed.done();
        let context = if row.user_id.is_some() { name } else { DECOY };
        let (current, previous) = match provider {
            Provider::Bolna => (row.secret_sha256, row.previous_secret_sha256),
            Provider::Twilio | Provider::Analysis => {
                let open = |sealed: Vec<u8>| self.key.unseal(context, &sealed);
                (open(row.sealed_key)?, row.previous_sealed_key.map(open).transpose()?)
            }
        };
        let now = Instant::now();
        let endpoint = Endpoint {
            name: Arc::from(name),
            user_id: row.user_id.unwrap_or_default(),
            provider,
            account_sid: row.account_sid,
            current,
            previous,
            previous_until: now + seconds(row.previous_seconds_left),
            allowed: row.allowed_ips.map(|list| Networks::readable(&list)),
            looked_up_at: now,
            now_unix_seconds: row.now_unix_seconds,
        };
        Ok(row.user_id.map(|_| endpoint))
    }
}

fn unknown_key() -> Vec<u8> {
    rand::random::<[u8; 32]>().to_vec()
}

/// What a name may look like, so that nothing else is asked of the database.
fn is_name(name: &str) -> bool {
    (8..=64).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// At most a day: the endpoint is looked up again long before.
fn seconds(left: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(left.unwrap_or(0.0).clamp(0.0, 86_400.0)).unwrap_or_default()
}

fn stripe(key: &Key) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % LOOKUPS as u64) as usize
}

fn lock(memory: &Mutex<HashMap<Key, Slot>>) -> MutexGuard<'_, HashMap<Key, Slot>> {
    // Whoever panicked while holding it left a map that is whole.
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
