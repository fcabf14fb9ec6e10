//! One thing that is not as it should be, and how to say it.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use tallyline_history::Grain;
use uuid::Uuid;

/// A value of a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A count or a sum; seconds and micro-units as the figure's name says.
    Number(i64),
    /// Digest of a set or a histogram; says only that two of them differ.
    #[serde(serialize_with = "as_hex")]
    Digest(u64),
    /// An instant.
    Time(DateTime<Utc>),
    /// A local date.
    Date(NaiveDate),
    /// A name.
    Text(String),
    /// Nothing is there.
    Absent,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Digest(digest) => write!(f, "{digest:016x}"),
            Value::Time(time) => f.write_str(&time_text(*time)),
            Value::Date(date) => write!(f, "{date}"),
            Value::Text(text) => f.write_str(text),
            Value::Absent => f.write_str("absent"),
        }
    }
}

/// What a stored figure was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The calls of the bucket.
    Calls,
    /// The rows of the tier below.
    Children,
    /// The rows of the tenant's agents.
    Agents,
    /// The ledger of credits.
    Ledger,
}

impl Against {
    /// The word for it in `tally.audit_differences`.
    pub fn as_str(self) -> &'static str {
        match self {
            Against::Calls => "calls",
            Against::Children => "children",
            Against::Agents => "agents",
            Against::Ledger => "ledger",
        }
    }
}

/// The ids that explain a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Explanation {
    /// This call, and no other, is not in the row.
    Missing {
        /// The call.
        call_id: Uuid,
    },
    /// This call, and no other, is in the row twice.
    CountedTwice {
        /// The call.
        call_id: Uuid,
    },
    /// No single call explains it; these of the bucket changed last.
    ChangedLast {
        /// At most 20, the newest first.
        call_ids: Vec<Uuid>,
    },
    /// Buckets below this one differ, too.
    Children {
        /// Their size.
        grain: &'static str,
        /// Their starts, at most 20.
        starts: Vec<DateTime<Utc>>,
    },
}

impl Explanation {
    /// The word for it in `tally.audit_differences`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Explanation::Missing { .. } => "missing",
            Explanation::CountedTwice { .. } => "counted_twice",
            Explanation::ChangedLast { .. } => "changed_last",
            Explanation::Children { .. } => "children",
        }
    }

    /// The calls that it names.
    pub fn call_ids(&self) -> &[Uuid] {
        match self {
            Explanation::Missing { call_id } | Explanation::CountedTwice { call_id } => std::slice::from_ref(call_id),
            Explanation::ChangedLast { call_ids } => call_ids,
            Explanation::Children { .. } => &[],
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::Missing { call_id } => write!(f, "call {call_id} is missing"),
            Explanation::CountedTwice { call_id } => write!(f, "call {call_id} is counted twice"),
            Explanation::ChangedLast { call_ids } => {
                let ids: Vec<String> = call_ids.iter().map(Uuid::to_string).collect();
                write!(f, "calls changed last: {}", ids.join(", "))
            }
            Explanation::Children { grain, starts } => {
                let starts: Vec<String> = starts.iter().copied().map(time_text).collect();
                write!(f, "differing {grain}s: {}", starts.join(", "))
            }
        }
    }
}

/// A figure that differs from the calls, from the rows below it, or (for money) from the ledger.
/// What lies in no bucket (money, contacts, customers) has no grain.
///
/// `figure` is the name of a column, or `row` for a row that is missing (its
/// calls are `expected`) or has no calls (its own count is `found`), or `bucket`
/// for calls of which the calendar knows no bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The tenant.
    pub user_id: Uuid,
    /// The agent; none for the tenant's own rows.
    pub agent_id: Option<Uuid>,
    /// Size of the bucket; none for what lies in no bucket.
    #[serde(serialize_with = "grain_name")]
    pub grain: Option<Grain>,
    /// Start of the bucket; none for what lies in no bucket.
    pub bucket_start: Option<DateTime<Utc>>,
    /// End of the bucket; none for what lies in no bucket.
    pub bucket_end: Option<DateTime<Utc>>,
    /// What differs.
    pub figure: &'static str,
    /// What `expected` was taken from.
    pub compared_with: Against,
    /// What should be there.
    pub expected: Value,
    /// What is stored.
    pub found: Value,
    /// Which calls or buckets are at fault, as far as that can be told.
    pub explanation: Option<Explanation>,
}

impl Difference {
    /// A sentence for people: whose, when, what, both values with their places, and what explains it.
    pub fn describe(&self) -> String {
        match &self.explanation {
            Some(explanation) => format!("{} ({explanation})", self.statement()),
            None => self.statement(),
        }
    }

    fn statement(&self) -> String {
        let whose = self.subject();
        let table = self.table();
        match (self.figure, &self.expected, &self.found) {
            ("row", calls, Value::Absent) => format!("{whose}: no row in {table}, {calls} in {}", self.below()),
            ("row", Value::Absent, calls) => {
                format!("{whose}: a row of {calls} calls in {table}, none in {}", self.below())
            }
            ("bucket", calls, _) => format!("{whose}: no bucket in the calendar, {calls} in calls"),
            (figure, expected, found) => {
                format!("{whose}: {figure} is {found} in {table}, {expected} in {}", self.source())
            }
        }
    }

    fn subject(&self) -> String {
        let mut text = format!("tenant {}", self.user_id);
        if let Some(agent_id) = self.agent_id {
            text += &format!(" agent {agent_id}");
        }
        if let Some(grain) = self.grain {
            text += &format!(" {}", grain.as_str());
        }
        if let Some(start) = self.bucket_start {
            text += &format!(" {}", time_text(start));
        }
        text
    }

    fn table(&self) -> &'static str {
        match (self.grain, self.agent_id) {
            (Some(Grain::Quarter), _) => "tally.quarter_rollups",
            (Some(_), None) => "user_analytics",
            (Some(_), Some(_)) => "agent_analytics",
            (None, _) => match self.figure {
                "credits_micros" | "balance_micros" => "users",
                "calls_with_wrong_dials" => "calls",
                "calls_with_two_leads" => "lead_analytics",
                "contacts_counted_wrongly" | "contacts_with_wrong_last_contact" => "contacts",
                "customers_with_wrong_last_interaction" => "customers",
                _ => "credit_transactions",
            },
        }
    }

    fn source(&self) -> &'static str {
        match (self.grain, self.figure) {
            (None, "credits_micros") => "the newest entry of credit_transactions",
            (None, "balance_micros") => "the sum of credit_transactions",
            (None, "entries_out_of_chain") => "the entries before them",
            (None, "calls_with_wrong_dials") => "attempts and events",
            (None, "contacts_counted_wrongly") => "attempts, events and history",
            (None, "contacts_with_wrong_last_contact" | "customers_with_wrong_last_interaction") => "calls and history",
            (Some(_), "bucket_end" | "date" | "hour") => "the calendar",
            (Some(_), "zone") => "users",
            _ => self.below(),
        }
    }

    fn below(&self) -> &'static str {
        match (self.compared_with, self.grain) {
            (Against::Agents, _) => "its agents",
            (Against::Children, Some(Grain::Month)) => "its days",
            // Sets and histograms are not kept in hours.
            (Against::Children, Some(Grain::Day)) if self.is_of_a_set() => "its quarters",
            (Against::Children, Some(Grain::Day)) => "its hours",
            (Against::Children, _) => "its quarters",
            _ => "calls",
        }
    }

    fn is_of_a_set(&self) -> bool {
        ["distinct_contacts", "contact_ids", "duration_counts", "duration_values"].contains(&self.figure)
    }
}

fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// As text: JSON readers round numbers of 64 bits.
fn as_hex<S: Serializer>(digest: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{digest:016x}"))
}

fn grain_name<S: Serializer>(grain: &Option<Grain>, serializer: S) -> Result<S::Ok, S::Error> {
    grain.map(Grain::as_str).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference() -> Difference {
        Difference {
            user_id: Uuid::from_u128(1),
            agent_id: Some(Uuid::from_u128(2)),
            grain: Some(Grain::Day),
            bucket_start: "2026-03-03T18:30:00Z".parse().ok(),
            bucket_end: "2026-03-04T18:30:00Z".parse().ok(),
            figure: "total_calls",
            compared_with: Against::Calls,
            expected: Value::Number(42),
            found: Value::Number(41),
            explanation: None,
        }
    }

    #[test]
    fn a_difference_says_whose_when_what_and_where() {
        let tenant = "tenant 00000000-0000-0000-0000-000000000001";
        let agent = format!("{tenant} agent 00000000-0000-0000-0000-000000000002");
        let day = "day 2026-03-03T18:30:00Z";
        assert_eq!(
            difference().describe(),
            format!("{agent} {day}: total_calls is 41 in agent_analytics, 42 in calls")
        );

        let missing = Difference { figure: "row", found: Value::Absent, agent_id: None, ..difference() };
        assert_eq!(missing.describe(), format!("{tenant} {day}: no row in user_analytics, 42 in calls"));
        let ghost = Difference { figure: "row", expected: Value::Absent, ..difference() };
        assert_eq!(ghost.describe(), format!("{agent} {day}: a row of 41 calls in agent_analytics, none in calls"));

        let explanation = Some(Explanation::Missing { call_id: Uuid::from_u128(3) });
        let explained = Difference { compared_with: Against::Children, explanation, ..difference() };
        let said = "total_calls is 41 in agent_analytics, 42 in its hours";
        let call = "call 00000000-0000-0000-0000-000000000003 is missing";
        assert_eq!(explained.describe(), format!("{agent} {day}: {said} ({call})"));

        let money =
            Difference { figure: "credits_micros", grain: None, bucket_start: None, agent_id: None, ..difference() };
        let said = format!("{tenant}: credits_micros is 41 in users, 42 in the newest entry of credit_transactions");
        assert_eq!(money.describe(), said);
    }

    #[test]
    fn as_json_the_grain_is_its_name_and_a_digest_is_text() {
        let digest = Difference { expected: Value::Digest(255), found: Value::Absent, ..difference() };
        let json = serde_json::to_value(digest).unwrap();
        assert_eq!(json["grain"], "day");
        assert_eq!(json["expected"], "00000000000000ff");
        assert_eq!(json["found"], serde_json::Value::Null);
    }
}
