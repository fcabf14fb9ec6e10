//! Lead analyses out of what Bolna's agents extract.
//!
//! Three members of an execution may hold one, in this order of trust:
//! `extracted_data`, `custom_extractions`, `agent_extraction`. Each may be an object,
//! nested (`Category` → `Name` → `{subjective, objective, …}`) or flat, or a string
//! with JSON or a Python literal in it. Keys are compared without case, blanks,
//! underscores, dashes and dots. Nothing is made up: a call whose extraction says
//! nothing about a lead gives no analysis at all.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::decimal;
use crate::event::LeadAnalysis;
use crate::loose::read_loose;
use crate::scores::Scales;
use crate::time::{parse_instant, parse_moment};

/// Deepest nesting of categories that is looked into.
const MAX_DEPTH: usize = 6;
/// Longest texts kept, in characters, as posted analyses are cut.
const MAX_LEVEL_CHARS: usize = 50;
const MAX_TAG_CHARS: usize = 100;
const MAX_TEXT_CHARS: usize = 255;
const MAX_SUMMARY_CHARS: usize = 4_000;

/// Words that stand for no value.
const ABSENT: [&str; 14] = [
    "",
    "null",
    "none",
    "nil",
    "nan",
    "n/a",
    "na",
    "-",
    "unknown",
    "anonymous",
    "not provided",
    "not mentioned",
    "not specified",
    "unknown@example.com",
];

/// What an execution holds of extractions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extraction<'a> {
    /// The documented member.
    pub extracted_data: Option<&'a Value>,
    /// Seen beside it.
    pub custom_extractions: Option<&'a Value>,
    /// Seen beside it, mostly as a string.
    pub agent_extraction: Option<&'a Value>,
}

/// Why an extraction gives no analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnalysis {
    /// A string that is neither JSON nor a Python literal, and nothing beside it.
    #[error("the extraction cannot be read")]
    Unreadable,
    /// It says nothing about a lead.
    #[error("the extraction says nothing about a lead")]
    NothingUsable,
}

impl Extraction<'_> {
    /// Whether there is anything to look at.
    pub fn is_empty(&self) -> bool {
        self.extracted_data.is_none() && self.custom_extractions.is_none() && self.agent_extraction.is_none()
    }
}

/// Reads an analysis out of an extraction; scores beyond the scales are left out.
/// Level words give scores only where a full score is 3 and the score is absent.
///
/// # Errors
/// There is nothing to make an analysis of.
pub fn read(extraction: Extraction<'_>, scales: Scales) -> Result<LeadAnalysis, NoAnalysis> {
    let mut unreadable = false;
    let mut sources = Vec::new();
    for given in [extraction.extracted_data, extraction.custom_extractions, extraction.agent_extraction] {
        let Some(given) = given else { continue };
        match opened(given) {
            Some(value) => sources.push(Fields::of(&value)),
            None => unreadable = true,
        }
    }
    let analysis = Sources(sources).lead(scales);
    if says_something(&analysis) {
        return Ok(analysis);
    }
    Err(if unreadable { NoAnalysis::Unreadable } else { NoAnalysis::NothingUsable })
}

/// The value itself, or what its string holds; blank and null strings are empty
/// objects.
fn opened(given: &Value) -> Option<Value> {
    let Value::String(text) = given else { return Some(given.clone()) };
    if is_absent(text) { Some(Value::Object(Map::new())) } else { read_loose(text) }
}

fn says_something(found: &LeadAnalysis) -> bool {
    let levels = [
        &found.intent_level,
        &found.urgency_level,
        &found.budget_constraint,
        &found.fit_alignment,
        &found.engagement_health,
        &found.lead_status_tag,
    ];
    found.scores().iter().any(Option::is_some)
        || found.total_score.is_some()
        || levels.into_iter().any(Option::is_some)
        || found.demo_book_datetime.is_some()
        || found.follow_up_at.is_some()
        || found.follow_up_date.is_some()
        || found.cta_pricing_clicked
        || found.cta_demo_clicked
        || found.cta_followup_clicked
        || found.cta_sample_clicked
        || found.cta_escalated_to_human
}

/// What is said under a key: candidates in order of trust, and the reasons given.
#[derive(Default)]
struct Said {
    values: Vec<String>,
    reason: Option<String>,
}

/// The leaves of a source by folded key.
#[derive(Default)]
struct Fields {
    said: HashMap<String, Said>,
    reasoning: Map<String, Value>,
}

impl Fields {
    fn of(value: &Value) -> Self {
        let mut fields = Fields::default();
        fields.visit(value, 0);
        fields
    }

    fn visit(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(members) if depth < MAX_DEPTH => {
                members.iter().for_each(|(key, member)| self.member(key, member, depth));
            }
            Value::Array(items) if depth < MAX_DEPTH => items.iter().for_each(|item| self.visit(item, depth + 1)),
            _ => {}
        }
    }

    fn member(&mut self, key: &str, value: &Value, depth: usize) {
        let name = fold_key(key);
        match value {
            Value::Object(members) if name == "reasoning" => self.reasoning.extend(members.clone()),
            Value::Object(members) => match leaf(members) {
                Some(said) => self.add(name, said),
                None => self.visit(value, depth + 1),
            },
            Value::Array(_) => self.visit(value, depth + 1),
            scalar => self.add(name, Said { values: scalar_text(scalar).into_iter().collect(), reason: None }),
        }
    }

    fn add(&mut self, name: String, said: Said) {
        let known = self.said.entry(name).or_default();
        known.values.extend(said.values);
        known.reason = known.reason.take().or(said.reason);
    }
}

/// The objective and the subjective side of a documented leaf.
fn leaf(members: &Map<String, Value>) -> Option<Said> {
    let get = |wanted: &str| members.iter().find(|(key, _)| fold_key(key) == wanted).map(|(_, value)| value);
    let (objective, subjective) = (get("objective"), get("subjective"));
    if objective.is_none() && subjective.is_none() {
        return None;
    }
    let sides = [objective, subjective];
    let reasons = [get("reasoningobjective"), get("reasoningsubjective")];
    Some(Said {
        values: sides.into_iter().flatten().filter_map(scalar_text).collect(),
        reason: reasons.into_iter().flatten().filter_map(scalar_text).next(),
    })
}

/// A scalar as text; nothing for what stands for no value.
fn scalar_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    (!is_absent(&text)).then_some(text)
}

fn is_absent(text: &str) -> bool {
    ABSENT.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

fn fold_key(key: &str) -> String {
    key.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// All sources, the most trusted first.
struct Sources(Vec<Fields>);

impl Sources {
    /// The first value under any of the keys that `read` accepts.
    fn find<T>(&self, keys: &[&str], read: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|fields| {
            let said = keys.iter().filter_map(|key| fields.said.get(*key));
            said.flat_map(|said| &said.values).find_map(|text| read(text))
        })
    }

    fn reason(&self, keys: &[&str]) -> Option<String> {
        self.0
            .iter()
            .find_map(|fields| keys.iter().filter_map(|key| fields.said.get(*key)).find_map(|s| s.reason.clone()))
    }

    fn text(&self, keys: &[&str], max_chars: usize) -> Option<String> {
        self.find(keys, |text| Some(text.chars().take(max_chars).collect()))
    }

    fn flag(&self, keys: &[&str]) -> bool {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        };
        self.find(keys, read).unwrap_or(false)
    }

    /// Score and level word of a dimension.
    fn dimension(&self, score_keys: &[&str], level_keys: &[&str], scales: Scales) -> (Option<i32>, Option<String>) {
        let level = self.find(level_keys, |text| {
            let is_word = text.chars().any(char::is_alphabetic) && text.chars().count() <= MAX_LEVEL_CHARS;
            is_word.then(|| text.to_owned())
        });
        let keys: Vec<&str> = score_keys.iter().chain(level_keys).copied().collect();
        let score = self.find(&keys, |text| score_in(text, scales.dimension));
        (score.or_else(|| level_score(level.as_deref()?, scales)), level)
    }

    fn reasoning(&self, dimensions: [(&str, &[&str]); 5]) -> Value {
        let mut reasons = Map::new();
        // The least trusted first: what comes later replaces it.
        for fields in self.0.iter().rev() {
            reasons.extend(fields.reasoning.clone());
        }
        for (name, keys) in dimensions {
            if let Some(reason) = self.reason(keys) {
                reasons.insert(name.to_owned(), Value::String(reason));
            }
        }
        if reasons.is_empty() { Value::Null } else { Value::Object(reasons) }
    }

    fn lead(&self, scales: Scales) -> LeadAnalysis {
        let dimension = |score: &[&str], level: &[&str]| self.dimension(score, level, scales);
        let (intent_score, intent_level) = dimension(&["intentscore"], INTENT);
        let (urgency_score, urgency_level) = dimension(&["urgencyscore"], URGENCY);
        let (budget_score, budget_constraint) = dimension(&["budgetscore"], BUDGET);
        let (fit_score, fit_alignment) = dimension(&["fitscore"], FIT);
        let (engagement_score, engagement_health) = dimension(&["engagementscore"], ENGAGEMENT);
        LeadAnalysis {
            intent_score,
            urgency_score,
            budget_score,
            fit_score,
            engagement_score,
            intent_level,
            urgency_level,
            budget_constraint,
            fit_alignment,
            engagement_health,
            total_score: self.find(&["totalscore", "total", "leadscore"], |text| score_in(text, scales.total)),
            lead_status_tag: self
                .text(&["leadstatustag", "leadstatus", "leadtag", "leadquality", "tag"], MAX_TAG_CHARS),
            reasoning: self.reasoning([
                ("intent", INTENT),
                ("urgency", URGENCY),
                ("budget", BUDGET),
                ("fit", FIT),
                ("engagement", ENGAGEMENT),
            ]),
            company_name: self.text(&["companyname", "company", "organisation", "organization"], MAX_TEXT_CHARS),
            extracted_name: self
                .text(&["name", "customername", "fullname", "leadname", "extractedname"], MAX_TEXT_CHARS),
            extracted_email: self.find(EMAIL, email),
            smart_notification: self.text(&["smartnotification", "notification"], MAX_SUMMARY_CHARS),
            transcript_summary: self
                .text(&["indetailsummary", "transcriptsummary", "callsummary", "summary"], MAX_SUMMARY_CHARS),
            demo_book_datetime: self.find(DEMO_TIME, demo_time),
            follow_up_at: self.find(FOLLOW_UP, |text| parse_moment(text)?.instant()),
            follow_up_date: self.find(FOLLOW_UP, |text| parse_moment(text)?.day()),
            cta_pricing_clicked: self.flag(&["ctapricingclicked", "ctapricing"]),
            cta_demo_clicked: self.flag(&["ctademoclicked", "ctademo"]),
            cta_followup_clicked: self.flag(&["ctafollowupclicked", "ctafollowup"]),
            cta_sample_clicked: self.flag(&["ctasampleclicked", "ctasample"]),
            cta_escalated_to_human: self.flag(&["ctaescalatedtohuman", "escalatedtohuman"]),
        }
    }
}

const INTENT: &[&str] = &["intentlevel", "intent"];
const URGENCY: &[&str] = &["urgencylevel", "urgency"];
const BUDGET: &[&str] = &["budgetconstraint", "budgetlevel", "budget"];
const FIT: &[&str] = &["fitalignment", "fitlevel", "fit"];
const ENGAGEMENT: &[&str] = &["engagementhealth", "engagementlevel", "engagement"];
const EMAIL: &[&str] = &["emailaddress", "email", "extractedemail", "customeremail", "emailid"];
const DEMO_TIME: &[&str] = &["demobookdatetime", "demodatetime", "demobooktime", "demotime"];

const FOLLOW_UP: &[&str] = &["followupat", "followupdatetime", "followupdate", "callbacktime"];

fn score_in(text: &str, full: i32) -> Option<i32> {
    i32::try_from(decimal::whole_number(text, i64::from(full))?).ok()
}

/// What a level word is as a score of three.
fn level_score(level: &str, scales: Scales) -> Option<i32> {
    if scales.dimension != 3 {
        return None;
    }
    match level.to_ascii_lowercase().as_str() {
        "low" | "no" => Some(1),
        "medium" | "maybe" => Some(2),
        "high" | "yes" => Some(3),
        _ => None,
    }
}

/// An address that could be one; what people say instead of one is no address.
fn email(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let is_address = !local.is_empty()
        && domain.contains('.')
        && !domain.contains('@')
        && !text.contains(char::is_whitespace)
        && text.chars().count() <= MAX_TEXT_CHARS;
    is_address.then(|| text.to_owned())
}

fn demo_time(text: &str) -> Option<DateTime<Utc>> {
    parse_instant(text)
}
