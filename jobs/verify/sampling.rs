//! Chance without a clock or a generator: a number that depends on a seed and on
//! what it is drawn for, so that a run can be repeated and no two things share luck.

use uuid::Uuid;

/// A part of everything that is to be checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Of a tenant's months, how many in a hundred are checked.
    pub percent: f64,
    /// The same seed takes the same months.
    pub seed: u64,
}

impl Sample {
    /// Whether the stretch of a tenant that begins at an instant (microseconds) is in the sample.
    pub(super) fn takes(self, user_id: Uuid, from_micros: i64) -> bool {
        fraction(self.seed, user_id, from_micros.cast_unsigned()) * 100.0 < self.percent
    }
}

/// A number of [0, 1) for one thing of a tenant.
pub(super) fn fraction(seed: u64, user_id: Uuid, thing: u64) -> f64 {
    let (hi, lo) = user_id.as_u64_pair();
    let drawn = [hi, lo, thing].into_iter().fold(scramble(seed), |state, part| scramble(state ^ part));
    // 53 bits are what a double holds.
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

/// The finisher of SplitMix64: every bit of the result depends on every bit of the value.
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
    fn a_sample_takes_about_its_share_and_the_same_again() {
        // Fails when the seed or the tenant is left out of the hash.
        let tenants: Vec<Uuid> = (1..=50).map(Uuid::from_u128).collect();
        let taken = |percent, seed| -> Vec<(Uuid, i64)> {
            let sample = Sample { percent, seed };
            let all = tenants.iter().flat_map(|tenant| (0..100).map(move |month| (*tenant, month * 1_000_000)));
            all.filter(|(tenant, from)| sample.takes(*tenant, *from)).collect()
        };
        assert_eq!(taken(100.0, 1).len(), 5000);
        assert_eq!(taken(0.0, 1).len(), 0);
        let tenth = taken(10.0, 1);
        assert!((400..600).contains(&tenth.len()), "{}", tenth.len());
        assert_eq!(taken(10.0, 1), tenth);
        assert_ne!(taken(10.0, 2), tenth);
        for tenant in &tenants {
            assert!(tenth.iter().filter(|(of, _)| of == tenant).count() < 40);
        }
    }
}
