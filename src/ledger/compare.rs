//! A ledger against the database, figure by figure.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::figures::StoredRow;
use super::{Figures, Ledger, LedgerTenant};

/// Named instead of a figure where a whole row is missing or too many.
const ROW: &str = "row";

/// One figure that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub tenant: Uuid,
    /// `None` for the tenant as a whole.
    pub agent: Option<Uuid>,
    /// `hour`, `day`, `month`, or `all` for what belongs to no bucket.
    pub grain: String,
    pub bucket_start: Option<DateTime<Utc>>,
    /// The column; `row` where the row itself is missing or should not be.
    pub figure: String,
    /// What the ledger says; `None` for a row that it does not know.
    pub expected: Option<i64>,
    /// What the database says; `None` for a row that it does not have.
    pub found: Option<i64>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}", self.tenant)?;
        if let Some(agent) = self.agent {
            write!(f, ", agent {agent}")?;
        }
        write!(f, ", {}", self.grain)?;
        if let Some(start) = self.bucket_start {
            write!(f, " {}", start.format("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        match (self.expected, self.found) {
            (Some(calls), None) => write!(f, ": row missing, {calls} calls expected"),
            (None, Some(calls)) => write!(f, ": row too many, with {calls} calls"),
            (Some(expected), Some(found)) => {
                write!(f, ": {} expected {expected}, found {found}", self.figure)
            }
            (None, None) => Ok(()),
        }
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("cannot read the figures: {0}")]
    Database(#[from] sqlx::Error),
}

type Place = (Option<Uuid>, String, DateTime<Utc>);

/// Every figure in which the database differs from the ledger, for the ledger's
/// tenants; rows that the ledger does not know are differences too. Empty if
/// what was sent is what is counted.
///
/// # Errors
/// The database cannot be read.
pub async fn compare(pool: &PgPool, ledger: &Ledger) -> Result<Vec<Difference>, CompareError> {
    let tenants: Vec<Uuid> = ledger.tenants.iter().map(|tenant| tenant.user_id).collect();
    let mut stored: BTreeMap<Uuid, BTreeMap<Place, Figures>> = BTreeMap::new();
    for row in stored_rows(pool, &tenants).await? {
        let figures = row.figures();
        let place = (row.agent_id, row.grain, row.bucket_start);
        stored.entry(row.user_id).or_default().insert(place, figures);
    }
    let mut differences = Vec::new();
    for tenant in &ledger.tenants {
        let found = stored.remove(&tenant.user_id).unwrap_or_default();
        compare_buckets(tenant, found, &mut differences);
    }
    compare_totals(pool, ledger, &tenants, &mut differences).await?;
    Ok(differences)
}

async fn stored_rows(pool: &PgPool, tenants: &[Uuid]) -> Result<Vec<StoredRow>, sqlx::Error> {
    let mut rows =
        sqlx::query_file_as!(StoredRow, "sql/verify/ledger_tenant_rows.sql", tenants).fetch_all(pool).await?;
    let agents = sqlx::query_file_as!(StoredRow, "sql/verify/ledger_agent_rows.sql", tenants);
    rows.extend(agents.fetch_all(pool).await?);
    Ok(rows)
}

fn compare_buckets(tenant: &LedgerTenant, mut stored: BTreeMap<Place, Figures>, differences: &mut Vec<Difference>) {
    for bucket in &tenant.buckets {
        let place = (bucket.agent_id, bucket.grain.as_str().to_owned(), bucket.bucket_start);
        let Some(found) = stored.remove(&place) else {
            let calls = bucket.figures.total_calls;
            differences.push(difference(tenant, place, ROW, Some(calls), None));
            continue;
        };
        for ((figure, expected), (_, found)) in bucket.figures.entries().zip(found.entries()) {
            if expected != found {
                let place = place.clone();
                differences.push(difference(tenant, place, figure, Some(expected), Some(found)));
            }
        }
    }
    for (place, figures) in stored {
        differences.push(difference(tenant, place, ROW, None, Some(figures.total_calls)));
    }
}

fn difference(
    tenant: &LedgerTenant,
    (agent, grain, start): Place,
    figure: &str,
    expected: Option<i64>,
    found: Option<i64>,
) -> Difference {
    Difference {
        tenant: tenant.user_id,
        agent,
        grain,
        bucket_start: Some(start),
        figure: figure.to_owned(),
        expected,
        found,
    }
}

/// What the database says of a tenant beyond buckets.
struct Totals {
    user_id: Uuid,
    calls: i64,
    credit_change_micros: i64,
    call_legs: i64,
    contacts: i64,
    busy_dials: i64,
    no_answer_dials: i64,
    failed_dials: i64,
    not_connected: i64,
}

/// Compares what belongs to no bucket: calls and their charges, legs, contacts.
async fn compare_totals(
    pool: &PgPool,
    ledger: &Ledger,
    tenants: &[Uuid],
    differences: &mut Vec<Difference>,
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query_file_as!(Totals, "sql/verify/ledger_totals.sql", tenants).fetch_all(pool).await?;
    for tenant in &ledger.tenants {
        let row = rows.iter().find(|row| row.user_id == tenant.user_id);
        let found = |of: fn(&Totals) -> i64| row.map_or(0, of);
        let people = &tenant.people;
        for (figure, expected, found) in [
            ("calls", tenant.figures.total_calls, found(|row| row.calls)),
            ("credit_transactions", tenant.credit_balance_change_micros, found(|row| row.credit_change_micros)),
            ("call_legs", people.call_legs, found(|row| row.call_legs)),
            ("contacts", people.contacts, found(|row| row.contacts)),
            ("call_attempted_busy", people.busy_dials, found(|row| row.busy_dials)),
            ("call_attempted_no_answer", people.no_answer_dials, found(|row| row.no_answer_dials)),
            ("call_attempted_failed", people.failed_dials, found(|row| row.failed_dials)),
            ("not_connected", people.not_connected, found(|row| row.not_connected)),
        ] {
            if expected != found {
                differences.push(Difference {
                    tenant: tenant.user_id,
                    agent: None,
                    grain: "all".to_owned(),
                    bucket_start: None,
                    figure: figure.to_owned(),
                    expected: Some(expected),
                    found: Some(found),
                });
            }
        }
    }
    Ok(())
}
