//! Which calls or buckets are at fault.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tallyline_history::Grain;
use uuid::Uuid;

use super::difference::{Against, Difference, Explanation, Value};

/// Ids and starts that one explanation names at most.
const MOST: usize = 20;
/// Quarters of a tenant of which the calls are looked up; further ones stay unexplained.
const QUARTERS: usize = 500;

type Quarter = (DateTime<Utc>, Uuid);

/// Explains differences of one tenant, reading in its snapshot.
pub(super) async fn explain(
    tx: &mut PgConnection,
    user_id: Uuid,
    differences: &mut [Difference],
) -> Result<(), sqlx::Error> {
    let mut explanations = BTreeMap::new();
    for ((start, agent_id), gap) in gaps(differences).into_iter().take(QUARTERS) {
        if let Some(explanation) = of_quarter(tx, user_id, agent_id, start, &gap).await? {
            explanations.insert((start, agent_id), explanation);
        }
    }
    let starts = differing_starts(differences);
    for difference in differences {
        difference.explanation = match (quarter(difference), difference.grain) {
            (Some(quarter), _) => explanations.get(&quarter).cloned(),
            (None, Some(grain)) => of_parent(&starts, grain, difference),
            _ => None,
        };
    }
    Ok(())
}

fn quarter(difference: &Difference) -> Option<Quarter> {
    let of_calls = difference.grain == Some(Grain::Quarter) && difference.compared_with == Against::Calls;
    if !of_calls || difference.figure == "bucket" {
        return None;
    }
    Some((difference.bucket_start?, difference.agent_id?))
}

/// What is known of a quarter that differs.
#[derive(Debug, Default)]
struct Gap {
    /// Expected minus found fingerprint, zero where they are equal.
    fingerprint: (i64, i64),
    /// There is no row, so all calls of the quarter are missing.
    no_row: bool,
}

fn gaps(differences: &[Difference]) -> BTreeMap<Quarter, Gap> {
    let mut gaps: BTreeMap<Quarter, Gap> = BTreeMap::new();
    for difference in differences {
        let Some(quarter) = quarter(difference) else { continue };
        let gap = gaps.entry(quarter).or_default();
        gap.no_row |= difference.figure == "row" && difference.found == Value::Absent;
        let (hi, lo) = &mut gap.fingerprint;
        if let (Value::Number(expected), Value::Number(found)) = (&difference.expected, &difference.found) {
            match difference.figure {
                "fingerprint_hi" => *hi = expected.wrapping_sub(*found),
                "fingerprint_lo" => *lo = expected.wrapping_sub(*found),
                _ => {}
            }
        }
    }
    gaps
}

async fn of_quarter(
    tx: &mut PgConnection,
    user_id: Uuid,
    agent_id: Uuid,
    start: DateTime<Utc>,
    gap: &Gap,
) -> Result<Option<Explanation>, sqlx::Error> {
    let (hi, lo) = gap.fingerprint;
    let calls =
        sqlx::query_file!("../sql/verify/explaining_calls.sql", user_id, agent_id, start, hi, lo).fetch_all(tx).await?;
    Ok(match calls.first() {
        None => None,
        Some(first) if first.how == "missing" || (gap.no_row && calls.len() == 1) => {
            Some(Explanation::Missing { call_id: first.call_id })
        }
        Some(first) if first.how == "counted_twice" => Some(Explanation::CountedTwice { call_id: first.call_id }),
        Some(_) => Some(Explanation::ChangedLast { call_ids: calls.iter().map(|call| call.call_id).collect() }),
    })
}

type Starts = BTreeMap<Grain, BTreeSet<(DateTime<Utc>, Option<Uuid>)>>;

fn differing_starts(differences: &[Difference]) -> Starts {
    let mut starts = Starts::new();
    for difference in differences {
        if let (Some(grain), Some(start)) = (difference.grain, difference.bucket_start) {
            starts.entry(grain).or_default().insert((start, difference.agent_id));
        }
    }
    starts
}

/// The next smaller buckets that differ: of the agent, for a tenant's row of anybody.
fn of_parent(starts: &Starts, grain: Grain, difference: &Difference) -> Option<Explanation> {
    let (from, to) = (difference.bucket_start?, difference.bucket_end?);
    // A damaged row may end before it begins; calls outside the calendar have no bucket.
    if from >= to || difference.figure == "bucket" {
        return None;
    }
    for (child, starts) in starts.range(..grain).rev() {
        let whose = |agent_id: &Option<Uuid>| difference.agent_id.is_none() || *agent_id == difference.agent_id;
        let inside = starts.range((from, None)..(to, None)).filter(|(_, agent_id)| whose(agent_id));
        let mut below: Vec<_> = inside.map(|(start, _)| *start).collect();
        below.dedup();
        below.truncate(MOST);
        if !below.is_empty() {
            return Some(Explanation::Children { grain: child.as_str(), starts: below });
        }
    }
    None
}
