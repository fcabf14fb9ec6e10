//! Differences are kept in `tally.audit_differences`, and what differs is marked with them.

use sqlx::PgPool;
use uuid::Uuid;

use super::difference::{Difference, Value};
use super::{VerifyError, VerifyReport, repair};

/// Which check found a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// The sampler.
    Sample,
    /// The verification of everything.
    Full,
}

impl FoundBy {
    /// The word for it in the table and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FoundBy::Sample => "sample",
            FoundBy::Full => "full",
        }
    }
}

/// Stores the differences of one tenant and marks their buckets, in one
/// transaction. Returns the number of marks.
///
/// # Errors
/// On database errors; then nothing is stored and nothing marked.
pub async fn keep(pool: &PgPool, user_id: Uuid, found_by: FoundBy, report: &VerifyReport) -> Result<i64, VerifyError> {
    if report.is_clean() {
        return Ok(0);
    }
    let all = &report.differences;
    let texts = |value: fn(&Difference) -> Option<String>| -> Vec<Option<String>> { all.iter().map(value).collect() };
    let tiers: Vec<Option<i16>> = all.iter().map(|d| d.grain.map(|grain| grain.tier())).collect();
    let starts: Vec<_> = all.iter().map(|d| d.bucket_start).collect();
    let ends: Vec<_> = all.iter().map(|d| d.bucket_end).collect();
    let agents: Vec<Option<Uuid>> = all.iter().map(|d| d.agent_id).collect();
    let figures: Vec<String> = all.iter().map(|d| d.figure.to_owned()).collect();
    let compared: Vec<String> = all.iter().map(|d| d.compared_with.as_str().to_owned()).collect();
    let expected = texts(|d| text(&d.expected));
    let found = texts(|d| text(&d.found));
    let explanations = texts(|d| d.explanation.as_ref().map(|e| e.as_str().to_owned()));
    let calls: Vec<String> = all.iter().map(call_ids).collect();
    let mut tx = pool.begin().await?;
    sqlx::query_file!(
        "../sql/audit/insert_differences.sql",
        user_id,
        found_by.as_str(),
        &tiers as &[Option<i16>],
        &starts as &[Option<chrono::DateTime<chrono::Utc>>],
        &ends as &[Option<chrono::DateTime<chrono::Utc>>],
        &agents as &[Option<Uuid>],
        &figures,
        &compared,
        &expected as &[Option<String>],
        &found as &[Option<String>],
        &explanations as &[Option<String>],
        &calls
    )
    .execute(&mut *tx)
    .await?;
    let marks = repair::mark_in(&mut tx, report).await?;
    tx.commit().await?;
    Ok(marks)
}

fn text(value: &Value) -> Option<String> {
    (*value != Value::Absent).then(|| value.to_string())
}

/// In the notation of an array, since arrays of arrays must all be of one length.
fn call_ids(difference: &Difference) -> String {
    let ids = difference.explanation.iter().flat_map(|explanation| explanation.call_ids());
    let ids: Vec<String> = ids.map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}
