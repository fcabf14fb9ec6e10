//! The filters of a tenant's pages, as they stand in the address: a period in the
//! tenant's zone, and what narrows its calls.

use chrono::{NaiveDate, TimeDelta};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::download::Format;
use super::{Open, Refused};
use crate::dashboard::figures::OUTCOMES;
use crate::dashboard::{DEFAULT_DAYS, MAX_DAYS};

/// Names by which `lead` asks: any lead, hot or warm, or one quality.
pub const LEADS: [(&str, &str); 6] = [
    ("any", "Leads"),
    ("qualified", "Qualified leads"),
    ("hot", "Hot"),
    ("warm", "Warm"),
    ("cold", "Cold"),
    ("unqualified", "Unqualified"),
];
pub const DIRECTIONS: [(&str, &str); 2] = [("inbound", "Inbound"), ("outbound", "Outbound")];
pub const SOURCES: [(&str, &str); 3] = [("phone", "Phone"), ("internet", "Internet"), ("unknown", "Unknown")];
pub const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The address as it came; texts, since a wrong one deserves a page of its own. An
/// empty one is a field of the form that was left empty.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    days: Option<String>,
    from: Option<String>,
    to: Option<String>,
    agent: Option<String>,
    outcome: Option<String>,
    direction: Option<String>,
    source: Option<String>,
    min_s: Option<String>,
    max_s: Option<String>,
    lead: Option<String>,
    weekday: Option<String>,
    hour: Option<String>,
    /// Where a page of a list begins.
    pub after: Option<String>,
    /// `csv` or `parquet` for a file.
    pub format: Option<String>,
    pub sort: Option<String>,
    pub show: Option<String>,
}

/// What a page is about.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The last so many local days, today included, where no dates are given.
    pub days: i32,
    /// Both included.
    pub dates: Option<(NaiveDate, NaiveDate)>,
    pub agent: Option<Uuid>,
    /// As in `calls.outcome`.
    pub outcome: Option<String>,
    pub direction: Option<String>,
    pub source: Option<String>,
    /// Seconds of talk, from.
    pub min_s: Option<i32>,
    /// Seconds of talk, below.
    pub max_s: Option<i32>,
    pub lead: Option<String>,
    /// From Monday 1.
    pub weekday: Option<i32>,
    pub hour: Option<i32>,
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn parsed<T: std::str::FromStr>(text: &Option<String>, wrong: &'static str) -> Result<Option<T>, Refused> {
    given(text).map(|text| text.parse().map_err(|_| Refused::Bad(wrong))).transpose()
}

fn one_of(text: &Option<String>, known: &[&str], wrong: &'static str) -> Result<Option<String>, Refused> {
    match given(text) {
        Some(text) if known.contains(&text) => Ok(Some(text.to_owned())),
        Some(_) => Err(Refused::Bad(wrong)),
        None => Ok(None),
    }
}

fn within(number: Option<i32>, least: i32, most: i32, wrong: &'static str) -> Result<Option<i32>, Refused> {
    match number {
        Some(number) if !(least..=most).contains(&number) => Err(Refused::Bad(wrong)),
        other => Ok(other),
    }
}

/// The word of an outcome in `calls.outcome`.
pub fn outcome_word(key: &str) -> String {
    key.replace('-', "_")
}

impl Asked {
    /// # Errors
    /// When a text is none that the filter takes.
    pub fn filter(&self) -> Result<Filter, Refused> {
        let days = within(parsed(&self.days, PERIOD)?, 1, i32::from(MAX_DAYS), PERIOD)?;
        let (from, to) = (parsed::<NaiveDate>(&self.from, DATE)?, parsed::<NaiveDate>(&self.to, DATE)?);
        let dates = match (from, to) {
            (Some(from), Some(to)) if from > to || to - from >= TimeDelta::days(i64::from(MAX_DAYS)) => {
                return Err(Refused::Bad(PERIOD));
            }
            (Some(from), Some(to)) => Some((from, to)),
            (None, None) => None,
            _ => return Err(Refused::Bad("a period has both from and to")),
        };
        let outcomes = OUTCOMES.map(|outcome| outcome_word(outcome.key));
        let outcomes: Vec<&str> = outcomes.iter().map(String::as_str).collect();
        let seconds = "seconds of talk are 0 to 86,400";
        Ok(Filter {
            days: days.unwrap_or(i32::from(DEFAULT_DAYS)),
            dates,
            agent: parsed(&self.agent, "there is no such agent")?,
            outcome: one_of(&self.outcome, &outcomes, "there is no such outcome")?,
            direction: one_of(&self.direction, &DIRECTIONS.map(|d| d.0), "directions are inbound and outbound")?,
            source: one_of(&self.source, &SOURCES.map(|s| s.0), "sources are phone, internet and unknown")?,
            min_s: within(parsed(&self.min_s, seconds)?, 0, 86_400, seconds)?,
            max_s: within(parsed(&self.max_s, seconds)?, 0, 86_400, seconds)?,
            lead: one_of(&self.lead, &LEADS.map(|l| l.0), "there is no such kind of lead")?,
            weekday: within(parsed(&self.weekday, "weekdays are 1 to 7")?, 1, 7, "weekdays are 1 to 7")?,
            hour: within(parsed(&self.hour, "hours are 0 to 23")?, 0, 23, "hours are 0 to 23")?,
        })
    }

    /// The file that is asked for instead of a page.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn file(&self) -> Result<Option<Format>, Refused> {
        let Some(word) = given(&self.format) else { return Ok(None) };
        let known = Format::ALL.into_iter().find(|(_, known, _)| *known == word);
        known.map(|(format, ..)| Some(format)).ok_or(Refused::Bad("files are csv and parquet"))
    }
}

const PERIOD: &str = "a period has 1 to 366 days, from the earlier to the later";
const DATE: &str = "dates are written 2026-03-31";

impl Filter {
    /// The filter as it stands in an address.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = match self.dates {
            Some((from, to)) => vec![("from", from.to_string()), ("to", to.to_string())],
            None => vec![("days", self.days.to_string())],
        };
        let texts = [
            ("agent", self.agent.map(|id| id.to_string())),
            ("outcome", self.outcome.clone()),
            ("direction", self.direction.clone()),
            ("source", self.source.clone()),
            ("min_s", self.min_s.map(|s| s.to_string())),
            ("max_s", self.max_s.map(|s| s.to_string())),
            ("lead", self.lead.clone()),
            ("weekday", self.weekday.map(|d| d.to_string())),
            ("hour", self.hour.map(|h| h.to_string())),
        ];
        pairs.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text?))));
        pairs
    }

    /// The address `path` with this filter and what else is given.
    pub fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs()).extend_pairs(more);
        format!("{path}?{}", query.finish())
    }

    /// Whether more than the period and the agent narrows the calls.
    pub fn is_narrow(&self) -> bool {
        self.narrowings() > 0
    }

    /// How many kinds of figure narrow the calls beside period and agent.
    pub fn narrowings(&self) -> usize {
        let talk = self.min_s.is_some() || self.max_s.is_some();
        let hours = self.weekday.is_some() || self.hour.is_some();
        let kinds =
            [self.outcome.is_some(), self.direction.is_some(), self.source.is_some(), self.lead.is_some(), talk, hours];
        kinds.into_iter().filter(|kind| *kind).count()
    }

    /// The form that changes it.
    pub fn form(&self, open: &Open, path: &str, agents: &[(Uuid, String)]) -> Markup {
        let outcomes = OUTCOMES.map(|outcome| (outcome_word(outcome.key), outcome.label));
        let outcomes: Vec<(&str, &str)> = outcomes.iter().map(|(word, label)| (word.as_str(), *label)).collect();
        let ids: Vec<(String, &str)> = agents.iter().map(|(id, name)| (id.to_string(), name.as_str())).collect();
        let agents: Vec<(&str, &str)> = ids.iter().map(|(id, name)| (id.as_str(), *name)).collect();
        let agent = self.agent.map(|id| id.to_string());
        html! {
            form .filters method="get" action=(open.path(path)) {
                div { label for="from" { "From" } input id="from" name="from" type="date" required value=(open.period.from_date); }
                div { label for="to" { "To" } input id="to" name="to" type="date" required value=(open.period.to_date); }
                (choice("agent", "Agent", &agents, agent.as_deref()))
                (choice("outcome", "Outcome", &outcomes, self.outcome.as_deref()))
                (choice("direction", "Direction", &DIRECTIONS, self.direction.as_deref()))
                (choice("source", "Source", &SOURCES, self.source.as_deref()))
                (choice("lead", "Lead", &LEADS, self.lead.as_deref()))
                // What has no field of its own stays until the filter is cleared.
                @for (name, value) in self.pairs() {
                    @if ["min_s", "max_s", "weekday", "hour"].contains(&name) { input type="hidden" name=(name) value=(value); }
                }
                div .go { button type="submit" { "Filter" } " " a href=(open.path(path)) { "Clear" } }
            }
            @if let Some(words) = self.words() { p .hint { (words) } }
        }
    }

    /// What narrows the calls and has no field in the form.
    fn words(&self) -> Option<String> {
        let mut words = Vec::new();
        match (self.min_s, self.max_s) {
            (None, None) => {}
            (from, None) => words.push(format!("{} s of talk or more", from.unwrap_or(1))),
            (from, Some(below)) => {
                words.push(format!("{} s of talk or more, less than {below} s", from.unwrap_or(1).max(1)))
            }
        }
        let weekday = self.weekday.and_then(|day| WEEKDAYS.get(usize::try_from(day - 1).ok()?));
        words.extend(weekday.map(|day| format!("begun on a {day}")));
        words.extend(self.hour.map(|hour| format!("begun from {hour:02}:00 to {hour:02}:59")));
        (!words.is_empty()).then(|| format!("Calls with {}.", words.join(", ")))
    }
}

fn choice(name: &str, label: &str, options: &[(&str, &str)], chosen: Option<&str>) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { "Any" }
                @for (value, text) in options { option value=(value) selected[chosen == Some(value)] { (text) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: serde_json::Value) -> Result<Filter, Refused> {
        serde_json::from_value::<Asked>(value).unwrap().filter()
    }

    #[test]
    fn every_outcome_of_a_chart_is_a_filter() {
        for outcome in OUTCOMES {
            let word = outcome_word(outcome.key);
            assert_eq!(asked(serde_json::json!({ "outcome": word })).unwrap().outcome, Some(word));
        }
    }

    #[test]
    fn a_filter_is_what_its_address_says_and_wrong_ones_are_refused() {
        let filter = asked(
            serde_json::json!({ "from": "2026-03-01", "to": "2026-03-31", "lead": "hot", "hour": "7", "agent": "" }),
        );
        assert_eq!(filter.unwrap().address("/calls", &[]), "/calls?from=2026-03-01&to=2026-03-31&lead=hot&hour=7");
        for wrong in [
            serde_json::json!({ "from": "2026-03-02", "to": "2026-03-01" }),
            serde_json::json!({ "from": "2025-01-01", "to": "2026-03-01" }),
            serde_json::json!({ "from": "2026-03-02" }),
            serde_json::json!({ "days": "0" }),
            serde_json::json!({ "days": "367" }),
            serde_json::json!({ "outcome": "no-answer" }),
            serde_json::json!({ "agent": "1" }),
            serde_json::json!({ "hour": "24" }),
            serde_json::json!({ "weekday": "0" }),
            serde_json::json!({ "min_s": "-1" }),
        ] {
            assert!(matches!(asked(wrong.clone()), Err(Refused::Bad(_))), "{wrong}");
        }
    }
}
