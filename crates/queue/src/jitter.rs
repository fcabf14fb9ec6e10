//! By how much the job of a fire starts later than the fire's time.

use chrono::{DateTime, TimeDelta, Utc};

/// A delay in `[0, jitter_seconds)`, in whole milliseconds. It depends on nothing
/// but its arguments: whichever process fires, and however often it tries, the
/// job's time is the same.
pub(crate) fn jitter(name: &str, fire_at: DateTime<Utc>, jitter_seconds: i32) -> TimeDelta {
    let range = u64::try_from(jitter_seconds).unwrap_or(0) * 1_000;
    if range == 0 {
        return TimeDelta::zero();
    }
    // FNV-1a: the hashes of the standard library may change with its version.
    let bytes = name.bytes().chain(fire_at.timestamp().to_le_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    TimeDelta::milliseconds(i64::try_from(hash % range).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// Written down, since two versions of the program that run at once must agree.
    #[test]
    fn the_same_for_every_version() {
        let noon = at(1_772_884_800);
        let milliseconds = |name: &str, at| jitter(name, at, 300).num_milliseconds();
        assert_eq!(milliseconds("nightly", noon), 195_192);
        assert_eq!(milliseconds("nightly", noon + TimeDelta::minutes(1)), 288_572);
        assert_eq!(milliseconds("hourly", noon), 272_546);
        assert_eq!(jitter("nightly", noon, 0), TimeDelta::zero());
    }

    /// Break tried: the time left out of the hash; all fall into one tenth.
    #[test]
    fn spread_evenly_over_the_whole_range() {
        let mut tenths = [0_u32; 10];
        for minute in 0..10_000 {
            let delay = jitter("every-minute", at(1_772_884_800 + minute * 60), 60);
            assert!(delay >= TimeDelta::zero() && delay < TimeDelta::seconds(60));
            tenths[usize::try_from(delay.num_seconds() / 6).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (900..=1_100).contains(count)), "{tenths:?}");
    }
}
