//! Stored rows against counted ones.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use tallyline_history::{BucketFigures, BucketKey, COUNTERS, Calendar, Grain, LocalBucket};
use uuid::Uuid;

use super::VerifyReport;
use super::children::Children;
use super::difference::{Against, Difference, Value};
use super::marks::Marks;
use super::rows::StoredRow;

/// What a comparison needs to know of the tenant.
pub(super) struct Comparison<'a> {
    pub(super) user_id: Uuid,
    pub(super) calendar: &'a Calendar,
    pub(super) marks: &'a Marks,
    /// What the rows are compared with.
    pub(super) against: Against,
    pub(super) report: &'a mut VerifyReport,
    pub(super) sums: &'a mut Sums,
}

/// What is known of sums while a stretch of time is checked: the rows below each
/// bucket, and sums that do not agree, kept back until it is known whether one
/// of their parts differs from its calls and explains it.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) children: Children,
    pending: Vec<(BucketKey, Difference)>,
    explained: HashSet<BucketKey>,
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

    /// A parent is the sum of its children, and a tenant's row that of its agents':
    /// looked at for itself, whatever the calls say. Rows come in the order quarters, agents'
    /// hours, tenant's hours, agents' days and so on.
    pub(super) fn sums(&mut self, row: &StoredRow) {
        let Some(key) = row.key() else { return };
        self.sums.children.add(self.calendar, row);
        if key.grain == Grain::Quarter {
            return;
        }
        let below = self.sums.children.take_parent(key);
        self.sum(key, row, Against::Children, &below);
        if key.agent_id.is_none() {
            let agents = self.sums.children.take_tenant(key);
            self.sum(key, row, Against::Agents, &agents);
        }
    }

    /// Takes an agent's row into its tenant's, and compares the tenant's with what has come together.
    pub(super) fn agents(&mut self, row: &StoredRow) {
        let Some(key) = row.key() else { return };
        if key.agent_id.is_some() {
            self.sums.children.add(self.calendar, row);
        } else if key.grain != Grain::Quarter {
            let agents = self.sums.children.take_tenant(key);
            self.sum(key, row, Against::Agents, &agents);
        }
    }

    /// Compares the counters of a row with a sum, unless the bucket is behind.
    fn sum(&mut self, key: BucketKey, row: &StoredRow, against: Against, expected: &BucketFigures) {
        let end = row.bucket_end.timestamp_micros();
        if self.marks.cover(key.grain, key.start_micros, end) {
            return;
        }
        let found = row.figures();
        for (name, (expected, found)) in COUNTERS.into_iter().zip(expected.counters.into_iter().zip(found.counters)) {
            if expected != found {
                let (expected, found) = (Value::Number(expected), Value::Number(found));
                let difference = self.difference(key, end, name, expected, found);
                self.sums.pending.push((key, Difference { compared_with: against, ..difference }));
            }
        }
    }

    /// Reports sums that do not agree though each of their parts is that of its calls.
    pub(super) fn flush_sums(&mut self) {
        for (key, difference) in std::mem::take(&mut self.sums.pending) {
            if !self.sums.explained.contains(&key) {
                self.report.add(difference);
            }
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
        let difference = self.difference(key, end_micros, figure, expected, found);
        self.report.add(difference);
        if self.against != Against::Calls {
            return;
        }
        // Sums above a wrong row are wrong by it.
        self.sums.explained.insert(key);
        for grain in Grain::ALL.into_iter().filter(|grain| *grain >= key.grain) {
            if let Some(bucket) = self.calendar.bucket(grain, key.start_micros) {
                let start_micros = bucket.start_micros;
                self.sums.explained.insert(BucketKey { grain, start_micros, agent_id: key.agent_id });
                self.sums.explained.insert(BucketKey { grain, start_micros, agent_id: None });
            }
        }
    }

    fn difference(&self, key: BucketKey, end: i64, figure: &'static str, expected: Value, found: Value) -> Difference {
        Difference {
            user_id: self.user_id,
            agent_id: key.agent_id,
            grain: Some(key.grain),
            bucket_start: DateTime::<Utc>::from_timestamp_micros(key.start_micros),
            bucket_end: DateTime::<Utc>::from_timestamp_micros(end),
            figure,
            compared_with: self.against,
            expected,
            found,
            explanation: None,
        }
    }
}

fn time(micros: i64) -> Value {
    DateTime::<Utc>::from_timestamp_micros(micros).map_or(Value::Absent, Value::Time)
}

#[cfg(test)]
mod tests;
