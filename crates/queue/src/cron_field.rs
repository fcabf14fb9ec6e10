//! One field of a Unix cron expression: lists, ranges, steps, names.

use std::collections::BTreeSet;

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldRule {
    pub(crate) name: &'static str,
    pub(crate) least: u32,
    pub(crate) greatest: u32,
    /// Names of values, the first for `first_named`.
    pub(crate) names: &'static [&'static str],
    pub(crate) first_named: u32,
}

pub(crate) const MINUTE: FieldRule = plain("minute", 0, 59);
pub(crate) const HOUR: FieldRule = plain("hour", 0, 23);
pub(crate) const DAY_OF_MONTH: FieldRule = plain("day of month", 1, 31);
pub(crate) const MONTH: FieldRule = FieldRule {
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    first_named: 1,
    ..plain("month", 1, 12)
};
/// 0 and 7 are both Sunday.
pub(crate) const DAY_OF_WEEK: FieldRule = FieldRule {
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    first_named: 0,
    ..plain("day of week", 0, 7)
};

const fn plain(name: &'static str, least: u32, greatest: u32) -> FieldRule {
    FieldRule { name, least, greatest, names: &[], first_named: 0 }
}

/// A parsed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) values: BTreeSet<u32>,
    /// Whether it was written with a star in front; cron then does not count
    /// it as a restriction of the day.
    pub(crate) starred: bool,
}

impl Field {
    /// The values as a list, each changed by `map`.
    pub(crate) fn list(&self, map: impl Fn(u32) -> u32) -> String {
        let values: BTreeSet<u32> = self.values.iter().copied().map(map).collect();
        values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
    }
}

impl FieldRule {
    pub(crate) fn parse(&self, text: &str) -> Result<Field, String> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            self.parse_part(part, &mut values).map_err(|why| format!("{} {text:?}: {why}", self.name))?;
        }
        Ok(Field { values, starred: text.starts_with('*') })
    }

    fn parse_part(&self, part: &str, values: &mut BTreeSet<u32>) -> Result<(), String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let step: u32 = match step {
            None => 1,
            Some(text) => text.parse().ok().filter(|step| *step > 0).ok_or("a step is a number above zero")?,
        };
        let (from, to) = if range == "*" {
            (self.least, self.greatest)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.value(from)?, self.value(to)?)
        } else if part.contains('/') {
            // "5/10": from 5 on, as most crons read it.
            (self.value(range)?, self.greatest)
        } else {
            let value = self.value(range)?;
            (value, value)
        };
        if from > to {
            return Err(format!("the range {range} runs backwards"));
        }
        values.extend((from..=to).step_by(usize::try_from(step).unwrap_or(usize::MAX)));
        Ok(())
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(position) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.first_named + u32::try_from(position).unwrap_or(0));
        }
        // `parse` alone would take "+5".
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        number
            .filter(|value| (self.least..=self.greatest).contains(value))
            .ok_or_else(|| format!("{text:?} is not between {} and {}", self.least, self.greatest))
    }
}
