//! Middle and spread of a few measurements, quantiles of many.

use serde::Serialize;

/// What several rounds gave.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rounds {
    /// The middle one; of an even number, the lower.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Rounds {
    /// `None` of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len().saturating_sub(1) / 2)?;
        Some(Self { median, least: *values.first()?, greatest: *values.last()? })
    }

    /// Half of the range, as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.greatest - self.least) / 2.0 / self.median
    }
}

/// Quantiles, by nearest rank.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: f64,
    /// 95 in 100 are.
    pub p95: f64,
    /// 99 in 100 are.
    pub p99: f64,
    /// All are.
    pub max: f64,
}

impl Quantiles {
    /// `None` of nothing.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.clamp(1, values.len().max(1)) - 1).copied()
        };
        Some(Self { p50: at(0.50)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
    }
}
