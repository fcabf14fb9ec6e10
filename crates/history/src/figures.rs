//! What is counted, by the names of the roll-up columns.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

/// Sizes of bucket, small to large; the number is the tier of `tally.rollup_marks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    /// 15 minutes of UTC.
    Quarter = 0,
    /// An hour of the local wall clock, split where the offset changes.
    Hour = 1,
    /// A local day.
    Day = 2,
    /// A local month.
    Month = 3,
}

impl Grain {
    /// All of them, small to large.
    pub const ALL: [Grain; 4] = [Grain::Quarter, Grain::Hour, Grain::Day, Grain::Month];

    /// The word for it in the column `grain` and in texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Grain::Quarter => "quarter",
            Grain::Hour => "hour",
            Grain::Day => "day",
            Grain::Month => "month",
        }
    }

    /// The tier of a mark on such a bucket.
    pub fn tier(self) -> i16 {
        self as i16
    }

    /// Whether its rows hold sets (contacts) and histograms (durations).
    pub fn has_sets(self) -> bool {
        matches!(self, Grain::Quarter | Grain::Day)
    }
}

/// How many counters a bucket has.
pub const COUNTER_COUNT: usize = 46;

/// The additive columns of the roll-up tables, in the tables' order.
pub const COUNTERS: [&str; COUNTER_COUNT] = [
    "total_calls",
    "successful_calls",
    "voicemail_calls",
    "no_answer_calls",
    "busy_calls",
    "failed_outcome_calls",
    "cancelled_calls",
    "in_progress_calls",
    "inbound_calls",
    "outbound_calls",
    "phone_calls",
    "internet_calls",
    "unknown_source_calls",
    "total_duration_minutes",
    "leads_generated",
    "hot_leads",
    "warm_leads",
    "cold_leads",
    "unqualified_leads",
    "leads_with_company",
    "intent_score_count",
    "urgency_score_count",
    "budget_score_count",
    "fit_score_count",
    "engagement_score_count",
    "total_score_count",
    "high_intent_leads",
    "high_budget_leads",
    "urgent_leads",
    "cta_pricing_clicks",
    "cta_demo_clicks",
    "cta_followup_clicks",
    "cta_sample_clicks",
    "cta_human_escalations",
    "leads_with_cta",
    "talk_seconds",
    "credits_micros",
    "cost_micros",
    "intent_score_sum",
    "urgency_score_sum",
    "budget_score_sum",
    "fit_score_sum",
    "engagement_score_sum",
    "total_score_sum",
    "fingerprint_hi",
    "fingerprint_lo",
];

/// Which bucket, of which agent or of the whole tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketKey {
    /// Size of the bucket.
    pub grain: Grain,
    /// Start, microseconds since the Unix epoch.
    pub start_micros: i64,
    /// The agent, or none for all agents of the tenant together.
    pub agent_id: Option<Uuid>,
}

/// The figures of one bucket. Sets and histograms are held as their size and a
/// digest, so that a bucket takes the same memory whatever it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFigures {
    /// In the order of [`COUNTERS`].
    pub counters: [i64; COUNTER_COUNT],
    /// Different contacts called; only for grains with sets.
    pub distinct_contacts: i64,
    /// Digest of those contacts.
    pub contacts_digest: u64,
    /// Calls in the histogram of durations (those longer than 0 s); only for grains with sets.
    pub duration_calls: i64,
    /// Digest of that histogram.
    pub durations_digest: u64,
}

impl Default for BucketFigures {
    fn default() -> Self {
        BucketFigures {
            counters: [0; COUNTER_COUNT],
            distinct_contacts: 0,
            contacts_digest: 0,
            duration_calls: 0,
            durations_digest: 0,
        }
    }
}

impl BucketFigures {
    /// Adds the counters of a part that shares no call with this one. Sets are
    /// not additive and stay as they are: only months are put together so.
    pub fn add_counters(&mut self, part: &BucketFigures) {
        for (sum, value) in self.counters.iter_mut().zip(part.counters) {
            *sum = sum.wrapping_add(value);
        }
    }

    /// Takes a contact that is not yet in the set.
    pub fn add_contact(&mut self, contact_id: Uuid) {
        self.distinct_contacts += 1;
        self.contacts_digest = self.contacts_digest.wrapping_add(contact_digest(contact_id));
    }

    /// Takes `calls` calls of a duration into the histogram.
    pub fn add_duration(&mut self, seconds: i32, calls: i64) {
        self.duration_calls = self.duration_calls.wrapping_add(calls);
        let entry = scramble(i64::from(seconds).cast_unsigned()).wrapping_mul(calls.cast_unsigned());
        self.durations_digest = self.durations_digest.wrapping_add(entry);
    }
}

/// All figures of a range of calls.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// By bucket; a bucket without calls is absent.
    pub buckets: HashMap<BucketKey, BucketFigures>,
    /// Calls for which the calendar has no bucket, by grain and start of their quarter.
    pub outside_calendar: BTreeMap<(Grain, i64), i64>,
}

fn contact_digest(contact_id: Uuid) -> u64 {
    let (hi, lo) = contact_id.as_u64_pair();
    scramble(hi ^ scramble(lo))
}

/// A bijection that spreads neighbouring numbers over all 64 bits (the finisher
/// of SplitMix64), so that sums of it differ when the summed sets do.
fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_with_equal_totals_differ_by_their_digest() {
        // 10 s + 30 s against 20 s + 20 s: same calls, same seconds, other median.
        // Fails when add_duration adds `seconds * calls` without scrambling.
        let mut apart = BucketFigures::default();
        apart.add_duration(10, 1);
        apart.add_duration(30, 1);
        let mut together = BucketFigures::default();
        together.add_duration(20, 2);
        assert_eq!(apart.duration_calls, together.duration_calls);
        assert_ne!(apart.durations_digest, together.durations_digest);
    }

    #[test]
    fn a_histogram_is_the_same_in_any_order_and_cut() {
        let mut one = BucketFigures::default();
        one.add_duration(10, 3);
        one.add_duration(30, 1);
        let mut other = BucketFigures::default();
        for seconds in [10, 30, 10, 10] {
            other.add_duration(seconds, 1);
        }
        assert_eq!(one, other);
    }
}
