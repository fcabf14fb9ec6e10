//! Marks what differs, so that the roll-up job makes it right.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tallyline_history::Grain;
use uuid::Uuid;

use super::{VerifyError, VerifyReport};

/// Marks the buckets of all differences, quarters by way of `tally.mark_calls`,
/// larger buckets to be put together again from their quarters, and counts contacts
/// anew. Returns the number of marks. Money is not repaired: it is for people to say which side is
/// right. Nor are differences that the report omits: verify again.
///
/// # Errors
/// On database errors; then nothing is marked.
pub async fn mark_differences(pool: &PgPool, report: &VerifyReport) -> Result<i64, VerifyError> {
    let mut tx = pool.begin().await?;
    let marks = mark_in(&mut tx, report).await?;
    tx.commit().await?;
    Ok(marks)
}

/// The same in a transaction that is the caller's to commit.
pub(super) async fn mark_in(tx: &mut PgConnection, report: &VerifyReport) -> Result<i64, sqlx::Error> {
    for user_id in tenants_to_recount(report) {
        sqlx::query!("SELECT tally.recount_contacts($1)", user_id).fetch_one(&mut *tx).await?;
    }
    let (quarters, larger) = concerned(report);
    let tenants: Vec<Uuid> = quarters.iter().map(|q| q.0).collect();
    let from: Vec<DateTime<Utc>> = quarters.iter().map(|q| q.1).collect();
    let to: Vec<DateTime<Utc>> = quarters.iter().map(|q| q.2).collect();
    let marks =
        sqlx::query_file_scalar!("../sql/verify/mark_quarters.sql", &tenants, &from, &to).fetch_one(&mut *tx).await?;
    let tenants: Vec<Uuid> = larger.iter().map(|b| b.0).collect();
    let tiers: Vec<i16> = larger.iter().map(|b| b.1).collect();
    let starts: Vec<DateTime<Utc>> = larger.iter().map(|b| b.2).collect();
    let more = sqlx::query_file!("../sql/verify/mark_buckets.sql", &tenants, &tiers, &starts).execute(&mut *tx).await?;
    Ok(marks.saturating_add(i64::try_from(more.rows_affected()).unwrap_or(i64::MAX)))
}

/// Figures of contacts and customers that a recount puts right.
const RECOUNTED: [&str; 3] =
    ["contacts_counted_wrongly", "contacts_with_wrong_last_contact", "customers_with_wrong_last_interaction"];

/// Tenants whose contacts differ from their calls, each once, in the order of locks.
fn tenants_to_recount(report: &VerifyReport) -> BTreeSet<Uuid> {
    let wrong = report.differences.iter().filter(|difference| RECOUNTED.contains(&difference.figure));
    wrong.map(|difference| difference.user_id).collect()
}

type Quarters = Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)>;
type Larger = Vec<(Uuid, i16, DateTime<Utc>)>;

/// The buckets to mark, each once.
fn concerned(report: &VerifyReport) -> (Quarters, Larger) {
    let (mut quarters, mut larger) = (Vec::new(), Vec::new());
    for difference in &report.differences {
        match (difference.grain, difference.bucket_start, difference.bucket_end) {
            (Some(Grain::Quarter), Some(start), Some(end)) => quarters.push((difference.user_id, start, end)),
            (Some(grain), Some(start), _) if difference.figure != "bucket" => {
                larger.push((difference.user_id, grain.tier(), start));
            }
            _ => {}
        }
    }
    quarters.sort_unstable();
    quarters.dedup();
    larger.sort_unstable();
    larger.dedup();
    (quarters, larger)
}
