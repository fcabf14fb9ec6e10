//! Rows of one tier, packed: sets and histograms of all rows lie in one list each.

use std::collections::HashMap;
use std::ops::Range;

use uuid::Uuid;

use crate::calendar::LocalBucket;
use crate::figures::COUNTER_COUNT;

/// Rows of one tier.
#[derive(Debug, Clone, Default)]
pub struct Table {
    heads: Vec<Head>,
    counters: Vec<[i64; COUNTER_COUNT]>,
    durations: Vec<(i32, i32)>,
    contacts: Vec<Uuid>,
}

#[derive(Debug, Clone)]
struct Head {
    bucket: LocalBucket,
    agent_id: Option<Uuid>,
    durations: Range<usize>,
    contacts: Range<usize>,
}

/// A row as the roll-up tables store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Start, end and label. Of a quarter only the start is stored.
    pub bucket: LocalBucket,
    /// The agent; none for the tenant's own row.
    pub agent_id: Option<Uuid>,
    /// In the order of [`crate::COUNTERS`].
    pub counters: &'a [i64; COUNTER_COUNT],
    /// Seconds and the calls that lasted as long, ascending; without those of 0 s.
    /// Empty for grains without sets.
    pub durations: &'a [(i32, i32)],
    /// Different contacts, ascending; empty for grains without sets.
    pub contact_ids: &'a [Uuid],
}

impl Table {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The rows, by start of their bucket.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.heads.iter().zip(&self.counters).map(|(head, counters)| Row {
            bucket: head.bucket,
            agent_id: head.agent_id,
            counters,
            durations: &self.durations[head.durations.clone()],
            contact_ids: &self.contacts[head.contacts.clone()],
        })
    }

    /// The buckets that have rows, oldest first, each once.
    pub fn buckets(&self) -> Vec<LocalBucket> {
        let mut buckets: Vec<LocalBucket> = self.heads.iter().map(|head| head.bucket).collect();
        buckets.sort_unstable_by_key(|bucket| bucket.start_micros);
        buckets.dedup();
        buckets
    }

    /// Adds the rows of another part of the same calls. Counters of equal buckets
    /// are added up; that is right for sets only if no bucket is in both, which
    /// holds for all grains but the month when the parts are cut at local midnights.
    pub fn absorb(&mut self, other: Table) {
        let mut known: HashMap<(i64, Option<Uuid>), usize> = HashMap::new();
        if let (Some(last), Some(first)) = (self.last_start(), other.first_start())
            && first <= last
        {
            let keys = self.heads.iter().map(|head| (head.bucket.start_micros, head.agent_id));
            known = keys.zip(0..).collect();
        }
        let (durations, contacts) = (self.durations.len(), self.contacts.len());
        self.durations.extend(other.durations);
        self.contacts.extend(other.contacts);
        for (mut head, counters) in other.heads.into_iter().zip(other.counters) {
            if let Some(&row) = known.get(&(head.bucket.start_micros, head.agent_id)) {
                add(&mut self.counters[row], &counters);
                continue;
            }
            head.durations = shifted(&head.durations, durations);
            head.contacts = shifted(&head.contacts, contacts);
            self.heads.push(head);
            self.counters.push(counters);
        }
    }

    pub(super) fn push(&mut self, bucket: LocalBucket, agent_id: Option<Uuid>) -> usize {
        let row = self.heads.len();
        let (durations, contacts) = (self.durations.len(), self.contacts.len());
        self.heads.push(Head { bucket, agent_id, durations: durations..durations, contacts: contacts..contacts });
        self.counters.push([0; COUNTER_COUNT]);
        row
    }

    pub(super) fn counters_mut(&mut self, row: usize) -> &mut [i64; COUNTER_COUNT] {
        &mut self.counters[row]
    }

    pub(super) fn counters(&self, row: usize) -> &[i64; COUNTER_COUNT] {
        &self.counters[row]
    }

    /// Sets the histogram of a row from its calls' seconds in ascending order.
    pub(super) fn set_durations(&mut self, row: usize, sorted: impl Iterator<Item = i32>) {
        let start = self.durations.len();
        for seconds in sorted {
            match self.durations[start..].last_mut() {
                Some((last, calls)) if *last == seconds => *calls = calls.saturating_add(1),
                _ => self.durations.push((seconds, 1)),
            }
        }
        self.heads[row].durations = start..self.durations.len();
    }

    /// Sets the contacts of a row, given in ascending order, perhaps repeatedly.
    pub(super) fn set_contacts(&mut self, row: usize, sorted: impl Iterator<Item = Uuid>) {
        let start = self.contacts.len();
        for contact_id in sorted {
            if self.contacts[start..].last() != Some(&contact_id) {
                self.contacts.push(contact_id);
            }
        }
        self.heads[row].contacts = start..self.contacts.len();
    }

    fn first_start(&self) -> Option<i64> {
        self.heads.iter().map(|head| head.bucket.start_micros).min()
    }

    fn last_start(&self) -> Option<i64> {
        self.heads.iter().map(|head| head.bucket.start_micros).max()
    }
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// Wraps instead of panicking: a sum that does not fit its column is refused when
/// it is written, and only sums beyond 64 bits could come back into range.
pub(super) fn add(sum: &mut [i64; COUNTER_COUNT], part: &[i64; COUNTER_COUNT]) {
    for (sum, value) in sum.iter_mut().zip(part) {
        *sum = sum.wrapping_add(*value);
    }
}
