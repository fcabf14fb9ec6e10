//! Seeded chance: everything random about the traffic comes from here.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

/// One call's own source of chance, so that calls do not depend on each other.
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64, call: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&call.to_le_bytes());
        Self(StdRng::from_seed(key))
    }

    /// In `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From `low` to `high`, both included; `low` if they are the wrong way round.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// A place in a list that is not empty.
    pub(super) fn below(&mut self, length: usize) -> usize {
        self.0.random_range(0..length.max(1))
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// One of the values with their weights; the last one if rounding leaves none.
    pub(super) fn weighted<T: Copy>(&mut self, choices: &[(f64, T)]) -> T {
        let total: f64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.unit() * total;
        for (weight, value) in choices {
            left -= weight;
            if left < 0.0 {
                return *value;
            }
        }
        choices[choices.len() - 1].1
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.random()).into_uuid()
    }

    /// 32 hex digits.
    pub(super) fn hex(&mut self) -> String {
        hex::encode(self.0.random::<[u8; 16]>())
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }
}

/// Ranks 0, 1, 2 … with probabilities that fall as `1 / (rank + 1)^s`.
pub(super) struct Zipf(Vec<f64>);

impl Zipf {
    /// `ranks` must be at least 1.
    pub(super) fn new(ranks: usize, s: f64) -> Self {
        let mut sum = 0.0;
        let upto = (1..=ranks).map(|rank| {
            sum += (rank as f64).powf(-s);
            sum
        });
        Self(upto.collect())
    }

    pub(super) fn draw(&self, dice: &mut Dice) -> usize {
        let Some(total) = self.0.last() else {
            return 0;
        };
        let at = dice.unit() * total;
        self.0.partition_point(|upto| *upto <= at).min(self.0.len() - 1)
    }
}
