//! What was fetched goes into the inbox as if it had been sent: same table, same
//! hash, same pending row. From there on it is an event like any other.

use sha2::{Digest, Sha256};

use super::Run;
use super::failure::Failure;

/// Stands where a webhook has the name of its endpoint.
pub const ENDPOINT: &str = "reconcile";

/// Events written by one statement, and their bytes: one fetched body may be 2 MiB.
const MAX_GROUP: usize = 100;
const MAX_GROUP_BYTES: usize = 8 * 1024 * 1024;

const HEADERS: &str = r#"{"key":"reconcile"}"#;

/// Bodies that were fetched and are not stored yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bodies: Vec<Vec<u8>>,
    bytes: usize,
}

impl Gathered {
    /// Adds a body; true when it is time to store.
    pub(super) fn add(&mut self, body: Vec<u8>) -> bool {
        self.bytes += body.len();
        self.bodies.push(body);
        self.bodies.len() >= MAX_GROUP || self.bytes >= MAX_GROUP_BYTES
    }
}

impl Run<'_> {
    /// Stores what was gathered, by one statement and COMMIT.
    pub(super) async fn store(&self, gathered: &mut Gathered) -> Result<(), Failure> {
        let bodies = std::mem::take(gathered).bodies;
        if bodies.is_empty() {
            return Ok(());
        }
        let provider = self.account.provider.as_str();
        let count = bodies.len();
        let hashes: Vec<Vec<u8>> = bodies.iter().map(|body| Sha256::digest(body).to_vec()).collect();
        let user_ids = vec![self.account.user_id; count];
        let (providers, endpoints, headers) = (vec![provider; count], vec![ENDPOINT; count], vec![HEADERS; count]);
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let hashes: Vec<&[u8]> = hashes.iter().map(Vec::as_slice).collect();
        let stored = sqlx::query_file!(
            "../sql/receiver/store_group.sql",
            &user_ids,
            &providers as &[&str],
            &endpoints as &[&str],
            &hashes as &[&[u8]],
            &bodies as &[&[u8]],
            &headers as &[&str],
            // Received when they are written.
            &[] as &[Option<chrono::DateTime<chrono::Utc>>],
        )
        .fetch_all(self.pool)
        .await?;
        if !stored.is_empty() {
            metrics::counter!("tallyline_reconcile_events_recovered_total", "provider" => provider)
                .increment(stored.len() as u64);
            self.inbox_hint.ring();
        }
        Ok(())
    }
}
