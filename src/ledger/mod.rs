//! What must be counted: the figures of every bucket, worked out from calls by
//! whoever made them, and compared with what the database says.

pub mod bucket;
mod compare;
pub mod figures;
pub mod truth;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use bucket::{Grain, bucket_start};
pub use compare::{CompareError, Difference, compare};
pub use figures::Figures;
pub use truth::{CallTruth, Dials, Direction, LeadTruth, Outcome, Terms};

/// The form of the file that this code writes and reads.
pub const VERSION: u32 = 2;

/// What was sent and what must be counted for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pub version: u32,
    /// The seed that the traffic was made from.
    pub seed: u64,
    /// The instant that the traffic was made for.
    pub generated_at: DateTime<Utc>,
    /// Deliveries that were acknowledged, repeated ones included.
    pub events_sent: u64,
    /// Different bodies among them.
    pub distinct_events: u64,
    pub tenants: Vec<LedgerTenant>,
}

/// What must be counted for one tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerTenant {
    pub user_id: Uuid,
    pub name: String,
    pub timezone: String,
    /// Over all calls.
    pub figures: Figures,
    /// Sum of the charges of calls; never positive.
    pub credit_balance_change_micros: i64,
    /// Different bodies sent for this tenant.
    pub distinct_events: u64,
    /// What belongs to no bucket.
    pub people: People,
    /// Every bucket with at least one call, ordered by agent, grain and start.
    pub buckets: Vec<LedgerBucket>,
}

/// Contacts of a tenant and what their counters sum to, and the legs of its calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Different numbers of customers.
    pub contacts: i64,
    pub busy_dials: i64,
    pub no_answer_dials: i64,
    pub failed_dials: i64,
    pub not_connected: i64,
    /// Transfers.
    pub call_legs: i64,
}

/// What must be counted in one bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerBucket {
    /// `None` for the tenant as a whole.
    pub agent_id: Option<Uuid>,
    pub grain: Grain,
    pub bucket_start: DateTime<Utc>,
    pub figures: Figures,
}

/// Why a ledger could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot open the ledger: {0}")]
    Io(#[from] std::io::Error),
    #[error("the ledger is not well-formed: {0}")]
    Form(#[from] serde_json::Error),
    #[error("the ledger is of version {0}, this program reads version {VERSION}")]
    Version(u32),
}

impl Ledger {
    /// Writes the ledger as JSON, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LedgerError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer(std::io::BufWriter::new(&mut file), self)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Reads a ledger that [`Ledger::write`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, is no ledger, or is one of another version.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let text = std::fs::read(path)?;
        let head: Head = serde_json::from_slice(&text)?;
        if head.version != VERSION {
            return Err(LedgerError::Version(head.version));
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Adds up one tenant's calls.
pub struct TenantTally {
    user_id: Uuid,
    name: String,
    zone: Tz,
    terms: Terms,
    figures: Figures,
    distinct_events: u64,
    customers: BTreeSet<String>,
    people: People,
    buckets: BTreeMap<(Option<Uuid>, Grain, DateTime<Utc>), Figures>,
}

impl TenantTally {
    /// A tenant without calls.
    pub fn new(user_id: Uuid, name: &str, zone: Tz, terms: Terms) -> Self {
        Self {
            user_id,
            name: name.to_owned(),
            zone,
            terms,
            figures: Figures::default(),
            distinct_events: 0,
            customers: BTreeSet::new(),
            people: People::default(),
            buckets: BTreeMap::new(),
        }
    }

    /// Counts a call of `agent_id` that `distinct_events` bodies told of.
    pub fn record(&mut self, agent_id: Uuid, call: &CallTruth, distinct_events: u64) {
        let figures = call.figures(&self.terms);
        self.figures.add(&figures);
        self.distinct_events += distinct_events;
        self.meet(call);
        for grain in Grain::ALL {
            let start = bucket_start(self.zone, grain, call.started_at);
            for whose in [None, Some(agent_id)] {
                self.buckets.entry((whose, grain, start)).or_default().add(&figures);
            }
        }
    }

    /// Dials count where there is a contact to count them.
    fn meet(&mut self, call: &CallTruth) {
        self.people.call_legs += i64::from(call.is_transferred);
        let Some(customer) = &call.customer else { return };
        self.customers.insert(customer.clone());
        self.people.busy_dials += call.dials.busy;
        self.people.no_answer_dials += call.dials.no_answer;
        self.people.failed_dials += call.dials.failed;
        self.people.not_connected += call.dials.not_connected;
    }

    /// The tenant's part of the ledger.
    pub fn finish(self) -> LedgerTenant {
        let buckets = self.buckets.into_iter();
        LedgerTenant {
            user_id: self.user_id,
            name: self.name,
            timezone: self.zone.name().to_owned(),
            figures: self.figures,
            credit_balance_change_micros: -self.figures.credits_micros,
            distinct_events: self.distinct_events,
            people: People { contacts: self.customers.len() as i64, ..self.people },
            buckets: buckets
                .map(|((agent_id, grain, bucket_start), figures)| LedgerBucket {
                    agent_id,
                    grain,
                    bucket_start,
                    figures,
                })
                .collect(),
        }
    }
}
