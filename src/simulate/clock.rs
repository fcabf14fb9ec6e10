//! A call's own clock, and the forms in which providers write its times.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};

use super::dice::Dice;

/// How one call's times are written; they are cut to what can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// `2026-03-03T10:11:08.193399`, in UTC without saying so.
    MicrosNoZone,
    /// `2026-03-03T10:11:08.193399Z`.
    MicrosZulu,
    /// `2026-03-03T10:11:08Z`.
    SecondsZulu,
}

impl TimeForm {
    pub(super) fn cut(self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.trunc_subsecs(if self == Self::SecondsZulu { 0 } else { 6 })
    }

    pub(super) fn write(self, at: DateTime<Utc>) -> String {
        match self {
            Self::MicrosNoZone => at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
            Self::MicrosZulu => at.to_rfc3339_opts(SecondsFormat::Micros, true),
            Self::SecondsZulu => at.to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }

    fn step(self) -> TimeDelta {
        match self {
            Self::SecondsZulu => TimeDelta::seconds(1),
            _ => TimeDelta::microseconds(1),
        }
    }
}

/// Time inside a call: never the same twice, never backwards.
pub(super) struct CallClock {
    form: TimeForm,
    now: DateTime<Utc>,
}

impl CallClock {
    pub(super) fn new(form: TimeForm, at: DateTime<Utc>) -> Self {
        Self { form, now: form.cut(at) }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Moves on by some milliseconds between the two and says what time it is.
    pub(super) fn pass(&mut self, dice: &mut Dice, low_ms: i64, high_ms: i64) -> DateTime<Utc> {
        let micros = dice.between(low_ms * 1000, high_ms * 1000);
        self.reach(self.now + TimeDelta::microseconds(micros))
    }

    /// Moves on to `at`, or by the smallest step if that is not later.
    pub(super) fn reach(&mut self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.now = self.form.cut(at).max(self.now + self.form.step());
        self.now
    }
}
