//! The groups against a count by hand over the same rows.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::calendar::OffsetPeriod;
use crate::calls::{CallRow, CallsBuilder, Lead};
use crate::figures::BucketFigures;
use crate::fingerprint;

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

/// A zone 5:45 ahead of UTC, two days in one month, then nothing.
pub(crate) fn calendar() -> Calendar {
    let offset = 5 * HOUR + 45 * HOUR / 60;
    let day = |n: i64| LocalBucket {
        start_micros: n * DAY - offset,
        end_micros: (n + 1) * DAY - offset,
        date: Default::default(),
        hour: None,
    };
    let month = LocalBucket { end_micros: day(1).end_micros, ..day(0) };
    let offsets = vec![OffsetPeriod { start_micros: -DAY, end_micros: 2 * DAY, offset_micros: offset }];
    Calendar::new("Asia/Kathmandu", offsets, vec![day(0), day(1)], vec![month]).unwrap()
}

/// Rows that differ in everything, from a fixed sequence of numbers.
pub(crate) fn rows() -> Vec<CallRow> {
    let mut state = 7u64;
    let mut next = move |below: i32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i32::try_from((state >> 33) % u64::try_from(below).unwrap()).unwrap()
    };
    let mut rows = Vec::new();
    for n in 0..600u64 {
        let lead = (next(3) == 0).then(|| Lead {
            lead_id: Uuid::from_u64_pair(3, n),
            quality: (next(9) > 0).then(|| next(4)),
            company_name: [None, Some(String::new()), Some("Co".to_owned())][usize::try_from(next(3)).unwrap()].clone(),
            dimension_scale: 1 + next(120),
            scores: std::array::from_fn(|_| (next(4) > 0).then(|| next(100))),
            clicks: std::array::from_fn(|_| next(2) == 0),
        });
        rows.push(CallRow {
            call_id: Uuid::from_u64_pair(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n),
            agent_id: Uuid::from_u64_pair(1, u64::try_from(next(3)).unwrap()),
            started_at_micros: i64::from(next(2 * 24 * 60)) * 60_000_000 - 5 * HOUR,
            outcome: next(7),
            duration_seconds: [0, 1, 59, i32::MAX, 60][usize::try_from(next(5)).unwrap()],
            duration_minutes: next(9),
            credits_micros: i64::from(next(i32::MAX)) * 1000,
            cost_micros: i64::from(next(1_000_000)),
            lead_type: (next(5) > 0).then(|| next(2)),
            call_source: next(3),
            contact_id: (next(4) > 0).then(|| Uuid::from_u64_pair(2, u64::try_from(next(40)).unwrap())),
            lead,
        });
    }
    rows
}

/// The counters of one call in the order of `COUNTERS`, written out once more.
fn counters_of(row: &CallRow) -> Vec<i64> {
    let one = |truth: bool| i64::from(truth);
    let mut list = vec![1];
    list.extend((0..7).map(|code| one(row.outcome == code)));
    list.extend((0..2).map(|code| one(row.lead_type == Some(code))));
    list.extend((0..3).map(|code| one(row.call_source == code)));
    list.push(row.duration_minutes.into());
    let lead = row.lead.as_ref();
    list.push(one(lead.is_some()));
    list.extend((0..4).map(|code| one(lead.is_some_and(|l| l.quality == Some(code)))));
    list.push(one(lead.and_then(|l| l.company_name.as_ref()).is_some_and(|name| !name.is_empty())));
    let scores = lead.map_or([None; 6], |l| l.scores);
    list.extend(scores.map(|s| one(s.is_some())));
    let high = |s: Option<i32>| one(lead.is_some_and(|l| s.is_some_and(|s| 10 * s >= 7 * l.dimension_scale)));
    list.extend([high(scores[0]), high(scores[2]), high(scores[1])]);
    let clicks = lead.map_or([false; 5], |l| l.clicks);
    list.extend(clicks.map(one));
    list.push(one(clicks.contains(&true)));
    list.extend([row.duration_seconds.into(), row.credits_micros, row.cost_micros]);
    list.extend(scores.map(|s| i64::from(s.unwrap_or(0))));
    let bytes = fingerprint::of(row, &mut Vec::new()).bytes();
    let bits = u128::from_be_bytes(bytes);
    list.extend([(bits >> 96) as i64, (bits >> 64) as u32 as i64]);
    list
}

fn by_hand(rows: &[CallRow], calendar: &Calendar) -> BTreeMap<BucketKey, BucketFigures> {
    let mut buckets: BTreeMap<BucketKey, BucketFigures> = BTreeMap::new();
    let mut contacts: BTreeSet<(BucketKey, Uuid)> = BTreeSet::new();
    for row in rows {
        for grain in Grain::ALL {
            let Some(bucket) = calendar.bucket(grain, row.started_at_micros) else { continue };
            for agent_id in [Some(row.agent_id), None] {
                let key = BucketKey { grain, start_micros: bucket.start_micros, agent_id };
                let figures = buckets.entry(key).or_default();
                for (sum, value) in figures.counters.iter_mut().zip(counters_of(row)) {
                    *sum += value;
                }
                if grain.has_sets() {
                    if row.duration_seconds > 0 {
                        figures.add_duration(row.duration_seconds, 1);
                    }
                    contacts.extend(row.contact_id.map(|id| (key, id)));
                }
            }
        }
    }
    for (key, contact_id) in contacts {
        buckets.entry(key).or_default().add_contact(contact_id);
    }
    buckets
}

pub(crate) fn calls_of(rows: &[CallRow]) -> Calls {
    let mut builder = CallsBuilder::default();
    for row in rows {
        builder.push(row).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn all_figures_of_all_grains_equal_a_count_by_hand() {
    // Fails when `sum` does not widen (durations of 2^31 − 1 overflow), when
    // sets are grouped without the agent, or when any two counters are swapped.
    let (rows, calendar) = (rows(), calendar());
    let figures = recompute(&calls_of(&rows), &calendar).unwrap();
    let expected = by_hand(&rows, &calendar);
    let found: BTreeMap<_, _> = figures.buckets.into_iter().collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, row) in &expected {
        assert_eq!(found.get(key), Some(row), "{key:?}");
    }
    assert!(!figures.outside_calendar.is_empty(), "some calls lie behind the last day");
}

#[test]
fn calls_outside_the_calendar_are_reported_and_kept_in_their_quarter() {
    let mut row = rows().remove(0);
    row.started_at_micros = 10 * DAY + HOUR + 1;
    let figures = recompute(&calls_of(&[row.clone(), row]), &calendar()).unwrap();
    let outside: Vec<_> = figures.outside_calendar.into_iter().collect();
    let start = 10 * DAY + HOUR;
    assert_eq!(outside, [((Grain::Hour, start), 2), ((Grain::Day, start), 2), ((Grain::Month, start), 2)]);
    assert_eq!(figures.buckets.len(), 2, "the quarter of the agent and of the tenant");
}

#[test]
fn no_calls_give_no_figures() {
    let figures = recompute(&calls_of(&[]), &calendar()).unwrap();
    assert!(figures.buckets.is_empty() && figures.outside_calendar.is_empty());
}
