//! `tallyline verify`: are the figures those of the calls?
//!
//! For each tenant, in one snapshot, the calls are counted again by another
//! path ([`tallyline_history`]) and compared with every row of every tier.
//! Buckets that are marked are known to be behind and are skipped. Each tier is
//! compared with the same calls, and besides, for itself, with the rows below
//! it: a parent is the sum of its children, a tenant's row that of its agents'.
//! The ledger is compared with calls and balance, contacts with attempts and events.
//! [`sample_tenant`] looks at a few buckets only, and reads no more than those.

mod charges;
mod children;
mod compare;
mod difference;
mod explain;
mod marks;
mod people;
mod ranges;
mod repair;
mod rows;
mod sample;
mod sampling;
mod store;
mod tenant;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

pub use difference::{Against, Difference, Explanation, Value};
pub use repair::mark_differences;
pub use sample::{Calendars, sample_tenant};
pub use sampling::Sample;
pub use store::{FoundBy, keep};

/// Calls of which the columns are held at once, unless one day has more: some 300 MB.
pub const CALLS_AT_ONCE: i64 = 1_000_000;
/// Differences that are kept; further ones are only counted.
pub const MAX_DIFFERENCES: usize = 10_000;

/// What to check; everything by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyOptions {
    /// Only this tenant.
    pub tenant: Option<Uuid>,
    /// Only from the local day on that holds this instant.
    pub from: Option<DateTime<Utc>>,
    /// Only up to this instant (exclusive) and to the end of its local day. Of a
    /// month that is not wholly between `from` and `to` only hours and days are
    /// checked; with either of them the tenant's ledger, contacts and customers are not.
    pub to: Option<DateTime<Utc>>,
    /// Only some of each tenant's months, and not the tenant's ledger, contacts and customers.
    pub sample: Option<Sample>,
}

/// How far the check has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Tenants that are done.
    pub tenants_done: usize,
    /// Tenants in all.
    pub tenants: usize,
    /// The tenant that is being checked.
    pub user_id: Uuid,
    /// End of the range just checked.
    pub checked_to: DateTime<Utc>,
    /// Buckets compared so far, of all tenants.
    pub buckets_checked: usize,
    /// Differences found so far.
    pub differences: usize,
}

/// What was found. A bucket counts once for the tenant and once for each agent
/// that has a row in it or calls.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// Tenants checked.
    pub tenants_checked: usize,
    /// Buckets compared.
    pub buckets_checked: usize,
    /// What is not as it should be, at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// Differences beyond that number.
    pub differences_omitted: usize,
    /// Buckets not compared because they are marked as behind.
    pub skipped_dirty: usize,
    /// Months (or parts of them, at the ends of what was asked for) checked.
    pub stretches_checked: usize,
    /// Months that were not in the sample.
    pub stretches_left_out: usize,
}

impl VerifyReport {
    /// Whether everything compared is equal.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    fn add(&mut self, difference: Difference) {
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.push(difference);
        } else {
            self.differences_omitted += 1;
        }
    }
}

/// Why the check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database refused or the connection broke.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The calls could not be read or counted.
    #[error(transparent)]
    History(#[from] tallyline_history::HistoryError),
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    UnknownTenant(Uuid),
    /// The computation was cut off, as when the runtime shuts down.
    #[error("the computation was cut off")]
    Interrupted,
}

/// Compares the figures with the calls. Reads only; takes one connection.
///
/// # Errors
/// On database errors and unknown tenants. Differences are no errors.
pub async fn verify(
    pool: &PgPool,
    options: VerifyOptions,
    progress: impl Fn(&Progress) + Send + Sync,
) -> Result<VerifyReport, VerifyError> {
    verify_in_slices(pool, options, CALLS_AT_ONCE, progress).await
}

/// Like [`verify`], holding `calls_at_once` calls at a time, but at least a local day's.
///
/// # Errors
/// As [`verify`].
pub async fn verify_in_slices(
    pool: &PgPool,
    options: VerifyOptions,
    calls_at_once: i64,
    progress: impl Fn(&Progress) + Send + Sync,
) -> Result<VerifyReport, VerifyError> {
    let tenants =
        sqlx::query_file_scalar!("../sql/verify/tenants.sql", options.tenant as Option<Uuid>).fetch_all(pool).await?;
    if let (Some(tenant), true) = (options.tenant, tenants.is_empty()) {
        return Err(VerifyError::UnknownTenant(tenant));
    }
    // A COPY that breaks off, or is dropped with this future, leaves a connection
    // that nobody else may get.
    let mut connection = pool.acquire().await?;
    connection.close_on_drop();
    let mut report = VerifyReport::default();
    for (tenants_done, &user_id) in tenants.iter().enumerate() {
        let step = |report: &VerifyReport, checked_to: DateTime<Utc>| {
            progress(&Progress {
                tenants_done,
                tenants: tenants.len(),
                user_id,
                checked_to,
                buckets_checked: report.buckets_checked,
                differences: report.differences.len() + report.differences_omitted,
            });
        };
        tenant::check(&mut connection, user_id, options, calls_at_once, &mut report, &step).await?;
    }
    Ok(report)
}
