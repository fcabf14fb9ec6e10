//! Stored rows against counted ones.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tallyline_history::{BucketFigures, BucketKey, COUNTERS, Calendar, Grain, LocalBucket};
use uuid::Uuid;

use super::VerifyReport;
use super::difference::{Difference, Value};
use super::marks::Marks;
use super::rows::StoredRow;

/// What a comparison needs to know of the tenant.
pub(super) struct Comparison<'a> {
    pub(super) user_id: Uuid,
    pub(super) calendar: &'a Calendar,
    pub(super) marks: &'a Marks,
    pub(super) report: &'a mut VerifyReport,
}

impl Comparison<'_> {
    /// Compares a stored row with its counted twin and takes the twin out.
    pub(super) fn row(&mut self, row: &StoredRow, counted: &mut HashMap<BucketKey, BucketFigures>) {
        let Some(key) = row.key() else { return };
        let expected = counted.remove(&key);
        // A row that starts where no bucket does is behind as long as anything
        // marked lies in the range that it claims.
        let bucket = self.calendar.bucket(key.grain, key.start_micros).filter(|b| b.start_micros == key.start_micros);
        let end_micros = bucket.map_or(row.bucket_end.timestamp_micros(), |b| b.end_micros);
        if self.skips(key, end_micros) {
            return;
        }
        match (expected, bucket) {
            (Some(expected), Some(bucket)) => {
                self.figures(key, end_micros, &expected, &row.figures());
                if key.grain != Grain::Quarter {
                    self.labels(key, bucket, row);
                }
            }
            _ => {
                let found = Value::Number(row.counters.first().copied().unwrap_or(0));
                self.differ(key, end_micros, "row", Value::Absent, found);
            }
        }
    }

    /// What is left of the counted buckets has no row.
    pub(super) fn missing(&mut self, counted: HashMap<BucketKey, BucketFigures>) {
        let mut rest: Vec<_> = counted.into_iter().collect();
        rest.sort_unstable_by_key(|(key, _)| *key);
        for (key, figures) in rest {
            // Quarters are kept per agent only.
            if key.grain == Grain::Quarter && key.agent_id.is_none() {
                continue;
            }
            let bucket = self.calendar.bucket(key.grain, key.start_micros);
            let end_micros = bucket.map_or(key.start_micros, |b| b.end_micros);
            if !self.skips(key, end_micros) {
                self.differ(key, end_micros, "row", Value::Number(figures.counters[0]), Value::Absent);
            }
        }
    }

    /// Calls of a quarter for which the calendar has no hour, day or month.
    pub(super) fn outside_calendar(&mut self, grain: Grain, quarter_micros: i64, calls: i64) {
        let end_micros = self.calendar.bucket(Grain::Quarter, quarter_micros).map_or(quarter_micros, |b| b.end_micros);
        let key = BucketKey { grain, start_micros: quarter_micros, agent_id: None };
        if !self.skips(key, end_micros) {
            self.differ(key, end_micros, "bucket", Value::Number(calls), Value::Absent);
        }
    }

    fn skips(&mut self, key: BucketKey, end_micros: i64) -> bool {
        let dirty = self.marks.cover(key.grain, key.start_micros, end_micros);
        if dirty {
            self.report.skipped_dirty += 1;
        } else {
            self.report.buckets_checked += 1;
        }
        dirty
    }

    fn figures(&mut self, key: BucketKey, end: i64, expected: &BucketFigures, found: &BucketFigures) {
        for (name, (expected, found)) in COUNTERS.into_iter().zip(expected.counters.into_iter().zip(found.counters)) {
            self.number(key, end, name, expected, found);
        }
        if !key.grain.has_sets() {
            return;
        }
        self.number(key, end, "distinct_contacts", expected.distinct_contacts, found.distinct_contacts);
        if expected.distinct_contacts == found.distinct_contacts {
            self.digest(key, end, "contact_ids", expected.contacts_digest, found.contacts_digest);
        }
        self.number(key, end, "duration_counts", expected.duration_calls, found.duration_calls);
        if expected.duration_calls == found.duration_calls {
            self.digest(key, end, "duration_values", expected.durations_digest, found.durations_digest);
        }
    }

    fn labels(&mut self, key: BucketKey, bucket: LocalBucket, row: &StoredRow) {
        let end = bucket.end_micros;
        self.value(key, end, "bucket_end", time(end), Value::Time(row.bucket_end));
        let zone = Value::Text(self.calendar.zone().to_owned());
        self.value(key, end, "zone", zone, row.zone.clone().map_or(Value::Absent, Value::Text));
        self.value(key, end, "date", Value::Date(bucket.date), row.date.map_or(Value::Absent, Value::Date));
        let hour = |hour: Option<i32>| hour.map_or(Value::Absent, |h| Value::Number(h.into()));
        self.value(key, end, "hour", hour(bucket.hour), hour(row.hour));
    }

    fn number(&mut self, key: BucketKey, end: i64, figure: &'static str, expected: i64, found: i64) {
        self.value(key, end, figure, Value::Number(expected), Value::Number(found));
    }

    fn digest(&mut self, key: BucketKey, end: i64, figure: &'static str, expected: u64, found: u64) {
        self.value(key, end, figure, Value::Digest(expected), Value::Digest(found));
    }

    fn value(&mut self, key: BucketKey, end: i64, figure: &'static str, expected: Value, found: Value) {
        if expected != found {
            self.differ(key, end, figure, expected, found);
        }
    }

    fn differ(&mut self, key: BucketKey, end_micros: i64, figure: &'static str, expected: Value, found: Value) {
        self.report.add(Difference {
            user_id: self.user_id,
            agent_id: key.agent_id,
            grain: Some(key.grain),
            bucket_start: DateTime::<Utc>::from_timestamp_micros(key.start_micros),
            bucket_end: DateTime::<Utc>::from_timestamp_micros(end_micros),
            figure,
            expected,
            found,
        });
    }
}

fn time(micros: i64) -> Value {
    DateTime::<Utc>::from_timestamp_micros(micros).map_or(Value::Absent, Value::Time)
}
