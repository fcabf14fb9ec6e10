//! The figures of one bucket, and what is computed of them.

use std::ops::AddAssign;

use super::format;

/// Sums of one bucket, agent or period. The seven outcomes partition `calls`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub calls: i64,
    pub outcomes: [i64; 7],
    /// Started minutes of each call, summed.
    pub minutes: i64,
    pub talk_seconds: i64,
    pub leads: i64,
    pub qualified_leads: i64,
    pub credits_micros: i64,
    pub cost_micros: i64,
}

/// An outcome: index into [`Figures::outcomes`], CSS class, label. In the order
/// in which the charts stack them, reached calls first.
pub const OUTCOMES: [Outcome; 7] = [
    Outcome { key: "answered", label: "Answered" },
    Outcome { key: "voicemail", label: "Voicemail" },
    Outcome { key: "no-answer", label: "No answer" },
    Outcome { key: "busy", label: "Busy" },
    Outcome { key: "failed", label: "Failed" },
    Outcome { key: "cancelled", label: "Cancelled" },
    Outcome { key: "in-progress", label: "In progress" },
];

/// See [`OUTCOMES`].
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub key: &'static str,
    pub label: &'static str,
}

const ANSWERED: usize = 0;
const IN_PROGRESS: usize = 6;

impl Figures {
    pub fn answered(&self) -> i64 {
        self.outcomes[ANSWERED]
    }

    /// Calls that ended: the denominator of the answer rate.
    pub fn ended(&self) -> i64 {
        self.calls - self.outcomes[IN_PROGRESS]
    }

    /// Answered / ended in percent, `–` for 0/0.
    pub fn answer_rate(&self) -> String {
        format::percent(self.answered(), self.ended())
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        for (mine, theirs) in self.outcomes.iter_mut().zip(other.outcomes) {
            *mine += theirs;
        }
        self.minutes += other.minutes;
        self.talk_seconds += other.talk_seconds;
        self.leads += other.leads;
        self.qualified_leads += other.qualified_leads;
        self.credits_micros += other.credits_micros;
        self.cost_micros += other.cost_micros;
    }
}

impl std::iter::Sum for Figures {
    fn sum<I: Iterator<Item = Self>>(figures: I) -> Self {
        figures.fold(Self::default(), |mut sum, f| {
            sum += f;
            sum
        })
    }
}

/// How a figure differs from the period before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing then and nothing now.
    None,
    /// Nothing then, something now: no percentage exists.
    New,
    /// Not comparable: one of the two rates does not exist.
    Unknown,
    /// Tenths of a percent, or of a percentage point.
    By { tenths: i64, points: bool },
}

impl Change {
    /// Change of an amount, in percent of what it was.
    pub fn of_amount(now: i64, before: i64) -> Self {
        match (now, before) {
            (0, 0) => Self::None,
            (_, 0) => Self::New,
            // Saturating is far beyond what is shown; a negative base has no percentage.
            _ => format::per_mille(now.saturating_sub(before), before)
                .map_or(Self::Unknown, |tenths| Self::By { tenths, points: false }),
        }
    }

    /// Change of a rate, in percentage points of the rates as shown.
    pub fn of_rate(now: (i64, i64), before: (i64, i64)) -> Self {
        match (format::per_mille(now.0, now.1), format::per_mille(before.0, before.1)) {
            (Some(now), Some(before)) => Self::By { tenths: now - before, points: true },
            (None, None) => Self::None,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_percentage_only_where_one_exists() {
        assert_eq!(Change::of_amount(0, 0), Change::None);
        assert_eq!(Change::of_amount(5, 0), Change::New);
        assert_eq!(Change::of_amount(0, 5), Change::By { tenths: -1000, points: false });
        assert_eq!(Change::of_amount(3, 2), Change::By { tenths: 500, points: false });
    }

    #[test]
    fn a_rate_changes_in_points_and_not_in_percent_of_itself() {
        assert_eq!(Change::of_rate((3, 4), (1, 2)), Change::By { tenths: 250, points: true });
        assert_eq!(Change::of_rate((0, 0), (1, 2)), Change::Unknown);
        assert_eq!(Change::of_rate((0, 0), (0, 0)), Change::None);
    }
}
