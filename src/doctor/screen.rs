//! The report for people: what is wrong first, each with the command that mends it.

use std::fmt;

use super::{Check, Report, State};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Check> = self.checks.iter().collect();
        sorted.sort_by_key(|check| std::cmp::Reverse(check.state));
        for check in sorted.iter().filter(|check| check.state >= State::Warning) {
            let mark = if check.state == State::Problem { "✗" } else { "!" };
            writeln!(f, "{mark} {}: {}", check.name, check.finding)?;
            writeln!(f, "    {}", check.meaning)?;
            if let Some(mend) = &check.mend {
                writeln!(f, "    {mend}")?;
            }
        }
        for check in sorted.iter().filter(|check| check.state == State::Ok) {
            writeln!(f, "✓ {}: {}", check.name, check.finding)?;
        }
        let count = |state| self.checks.iter().filter(|check| check.state == state).count();
        write!(
            f,
            "\n{} checks: {} problems, {} warnings, {} in order, {} not applicable",
            self.checks.len(),
            count(State::Problem),
            count(State::Warning),
            count(State::Ok),
            count(State::NotApplicable)
        )
    }
}
