//! Rows against the figures that [`crate::recompute`] groups from the same calls.

use std::collections::BTreeMap;

use super::*;
use crate::figures::{BucketFigures, BucketKey};
use crate::recompute::recompute;
use crate::recompute::tests::{calendar, calls_of, rows as random_calls};

const DAY: i64 = 86_400_000_000;

fn figures(rows: &Rows) -> BTreeMap<BucketKey, BucketFigures> {
    let mut found = BTreeMap::new();
    for grain in Grain::ALL {
        for row in rows.table(grain).iter() {
            let mut figures = BucketFigures { counters: *row.counters, ..BucketFigures::default() };
            row.contact_ids.iter().for_each(|id| figures.add_contact(*id));
            row.durations.iter().for_each(|(seconds, calls)| figures.add_duration(*seconds, (*calls).into()));
            let key = BucketKey { grain, start_micros: row.bucket.start_micros, agent_id: row.agent_id };
            assert!(found.insert(key, figures).is_none(), "{key:?} comes twice");
        }
    }
    found
}

/// Calls inside the calendar, which ends after two days.
fn some_calls() -> Vec<crate::CallRow> {
    let calendar = calendar();
    let inside = |row: &crate::CallRow| calendar.bucket(Grain::Day, row.started_at_micros).is_some();
    random_calls().into_iter().filter(inside).collect()
}

fn expected(calls: &[crate::CallRow]) -> BTreeMap<BucketKey, BucketFigures> {
    let grouped = recompute(&calls_of(calls), &calendar()).unwrap().buckets;
    grouped.into_iter().filter(|(key, _)| key.grain != Grain::Quarter || key.agent_id.is_some()).collect()
}

#[test]
fn rows_equal_the_groups() {
    // Fails when the day is not closed after the last call, when `agents` is not
    // emptied at the next bucket, and when calls of 0 s enter the histogram.
    let calls = some_calls();
    let found = rows(&calls_of(&calls), &calendar()).unwrap();
    assert_eq!(figures(&found), expected(&calls));
    for row in found.table(Grain::Day).iter() {
        assert!(row.contact_ids.is_sorted_by(|a, b| a < b) && row.durations.is_sorted_by(|a, b| a.0 < b.0));
    }
}

#[test]
fn parts_cut_at_midnight_make_the_whole() {
    // Fails when absorbed sets are not shifted, and when months are appended
    // instead of added up.
    let calls = some_calls();
    let midnight = calendar().days()[1].start_micros;
    let (first, second): (Vec<_>, Vec<_>) = calls.iter().cloned().partition(|row| row.started_at_micros < midnight);
    let mut whole = rows(&calls_of(&first), &calendar()).unwrap();
    whole.absorb(rows(&calls_of(&second), &calendar()).unwrap());
    assert_eq!(figures(&whole), expected(&calls));
    assert_eq!(whole.table(Grain::Day).buckets(), calendar().days());
}

#[test]
fn many_calls_are_counted_by_two_threads_alike() {
    let few = some_calls();
    let copies = WORTH_SHARING / few.len() + 1;
    let calls: Vec<_> = few.iter().cycle().take(few.len() * copies).cloned().collect();
    let columns = Columns::new(&calls_of(&calls)).unwrap();
    assert!(cut(&columns, &ordered(&columns), &calendar()) > 0, "the work is shared");
    let found = rows(&calls_of(&calls), &calendar()).unwrap();
    assert_eq!(figures(&found), expected(&calls));
}

#[test]
fn a_call_outside_the_calendar_is_an_error_and_none_gives_nothing() {
    let mut late = some_calls().remove(0);
    late.started_at_micros = 10 * DAY;
    assert!(matches!(rows(&calls_of(&[late]), &calendar()), Err(HistoryError::OutsideCalendar { .. })));
    assert!(figures(&rows(&calls_of(&[]), &calendar()).unwrap()).is_empty());
}
