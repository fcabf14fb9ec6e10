//! Sums are looked at for themselves, without calls.

use tallyline_history::{LocalBucket, OffsetPeriod};
use uuid::Uuid;

use super::*;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// One day and one month of UTC, from the epoch on.
fn calendar() -> Calendar {
    let bucket = LocalBucket { start_micros: 0, end_micros: DAY, date: chrono::NaiveDate::default(), hour: None };
    let offsets = vec![OffsetPeriod { start_micros: 0, end_micros: DAY, offset_micros: 0 }];
    Calendar::new("UTC", offsets, vec![bucket], vec![bucket]).unwrap()
}

fn row(grain: Grain, start: i64, length: i64, agent: Option<u128>, calls: i64) -> StoredRow {
    let mut counters = vec![0; COUNTERS.len()];
    counters[0] = calls;
    StoredRow {
        agent_id: agent.map(Uuid::from_u128),
        grain: grain.as_str().to_owned(),
        bucket_start: DateTime::<Utc>::from_timestamp_micros(start).unwrap(),
        bucket_end: DateTime::<Utc>::from_timestamp_micros(start + length).unwrap(),
        zone: None,
        date: None,
        hour: None,
        counters,
        duration_values: None,
        duration_counts: None,
        contact_ids: None,
    }
}

/// Rows of one hour, day and month that agree, with `more` calls added to one of them.
fn rows(damaged: usize, more: i64) -> Vec<StoredRow> {
    let mut rows = vec![
        row(Grain::Quarter, 0, HOUR / 4, Some(1), 2),
        row(Grain::Quarter, HOUR / 4, HOUR / 4, Some(1), 3),
        row(Grain::Quarter, HOUR / 4, HOUR / 4, Some(2), 4),
        row(Grain::Hour, 0, HOUR, Some(1), 5),
        row(Grain::Hour, 0, HOUR, Some(2), 4),
        row(Grain::Hour, 0, HOUR, None, 9),
        row(Grain::Day, 0, DAY, Some(1), 5),
        row(Grain::Day, 0, DAY, Some(2), 4),
        row(Grain::Day, 0, DAY, None, 9),
        row(Grain::Month, 0, DAY, Some(1), 5),
        row(Grain::Month, 0, DAY, Some(2), 4),
        row(Grain::Month, 0, DAY, None, 9),
    ];
    rows[damaged].counters[0] += more;
    rows
}

/// What the sums of rows give, told without times: `whose grain against`.
fn said(rows: &[StoredRow], differs_from_calls: Option<&StoredRow>) -> Vec<String> {
    let (calendar, marks) = (calendar(), Marks::default());
    let (mut report, mut sums) = (VerifyReport::default(), Sums::default());
    let user_id = Uuid::from_u128(9);
    let mut comparison = Comparison {
        user_id,
        calendar: &calendar,
        marks: &marks,
        against: Against::Calls,
        report: &mut report,
        sums: &mut sums,
    };
    for row in rows {
        comparison.sums(row);
    }
    if let Some(row) = differs_from_calls {
        let key = row.key().unwrap();
        comparison.differ(key, key.start_micros + 1, "total_calls", Value::Absent, Value::Number(0));
    }
    comparison.flush_sums();
    let sums = report.differences.iter().filter(|d| d.compared_with != Against::Calls);
    sums.map(|d| {
        let whose = if d.agent_id.is_some() { "agent" } else { "tenant" };
        format!("{whose} {} {}", d.grain.unwrap().as_str(), d.compared_with.as_str())
    })
    .collect()
}

/// Break tried: quarters not summed into the tenant's hour.
#[test]
fn every_parent_is_the_sum_of_its_children_and_every_tenants_row_of_its_agents() {
    assert_eq!(said(&rows(0, 0), None), Vec::<String>::new());
    // A quarter too large is not in its hours.
    assert_eq!(said(&rows(1, 1), None), ["agent hour children", "tenant hour children"]);
    assert_eq!(
        said(&rows(3, 1), None),
        ["agent hour children", "tenant hour agents", "agent day children"],
        "an agent's hour is in nothing"
    );
    assert_eq!(said(&rows(5, 1), None), ["tenant hour children", "tenant hour agents", "tenant day children"]);
    assert_eq!(said(&rows(8, 1), None), ["tenant day children", "tenant day agents", "tenant month children"]);
    assert_eq!(said(&rows(10, 1), None), ["agent month children", "tenant month agents"]);
}

/// Break tried: the buckets above a wrong row not counted as explained.
#[test]
fn a_sum_that_a_wrong_row_explains_is_not_said_twice() {
    for damaged in 0..12 {
        let rows = rows(damaged, 1);
        assert_eq!(said(&rows, Some(&rows[damaged])), Vec::<String>::new(), "{damaged}");
    }
    let damaged = rows(10, 1);
    assert_eq!(
        said(&damaged, Some(&damaged[0])),
        ["agent month children"],
        "another agent's quarter explains nothing of this one's"
    );
}
