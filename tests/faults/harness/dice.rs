//! Chance from a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

/// splitmix64: small, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.draw() % (range.end() - range.start() + 1)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.draw().is_multiple_of(count)
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let place = self.draw() % list.len() as u64;
        &list[usize::try_from(place).unwrap()]
    }

    pub fn milliseconds(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }
}
