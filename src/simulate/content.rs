//! What is said in a call beyond its life: the customer's words, what the agent
//! extracts from them, and a transfer to a person.

use serde_json::{Value, json};

use super::dice::Dice;
use crate::ledger::LeadTruth;

/// What a call holds for whoever analyses it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// The lead that the agent's own extraction tells of, and how it is written.
    pub extraction: Option<(LeadTruth, Form)>,
    /// The customer's turns; `None`: small talk.
    pub turns: Option<Vec<String>>,
    /// The lead that a model is to find, which the model's stand-in looks up.
    pub modelled: Option<LeadTruth>,
    pub transfer: Option<Transfer>,
}

/// A leg of its own: the caller is put through to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub call_sid: String,
    pub seconds: i64,
}

/// The forms in which extractions have been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Category, name, then subjective and objective sides.
    Nested,
    Flat,
    /// JSON in a string.
    JsonText,
    /// A Python literal in a string.
    PythonText,
}

impl Form {
    pub(super) const ALL: [Self; 4] = [Self::Nested, Self::Flat, Self::JsonText, Self::PythonText];
}

const SCORES: [&str; 5] = ["intent_score", "urgency_score", "budget_score", "fit_score", "engagement_score"];
const CLICKS: [&str; 5] =
    ["cta_pricing_clicked", "cta_demo_clicked", "cta_followup_clicked", "cta_sample_clicked", "cta_escalated_to_human"];
const COMPANY: &str = "O'Neill & Sons";

/// `extracted_data` and `agent_extraction` of the last webhook.
pub(super) fn extraction(content: &Content) -> (Value, Value) {
    let Some((lead, form)) = &content.extraction else {
        return (Value::Null, Value::Null);
    };
    match form {
        Form::Nested => (nested(lead), Value::Null),
        Form::Flat => (flat(lead), Value::Null),
        Form::JsonText => (Value::Null, json!(flat(lead).to_string())),
        Form::PythonText => (Value::Null, json!(python(lead))),
    }
}

fn nested(lead: &LeadTruth) -> Value {
    let side =
        |objective: Value| json!({"subjective": "As the caller said.", "objective": objective, "confidence": 0.9});
    let scores = SCORES.iter().zip(lead.scores).map(|(key, score)| {
        // Names are free text: "Intent Score" as well as "intent_score".
        (key.replace('_', " "), side(json!(score.to_string())))
    });
    let clicks = CLICKS.iter().zip(lead.clicks).map(|(key, clicked)| ((*key).to_owned(), side(json!(clicked))));
    // What was not said is the word on both sides.
    let nothing = json!({"subjective": "null", "objective": "null", "confidence": 0.9});
    let mut person = serde_json::Map::new();
    person.insert("Company Name".to_owned(), if lead.has_company { side(json!(COMPANY)) } else { nothing });
    json!({
        "Lead Quality": scores.collect::<serde_json::Map<_, _>>(),
        "Calls to action": clicks.collect::<serde_json::Map<_, _>>(),
        "Person": person,
    })
}

fn flat(lead: &LeadTruth) -> Value {
    let mut members = serde_json::Map::new();
    members.extend(SCORES.iter().zip(lead.scores).map(|(key, score)| ((*key).to_owned(), json!(score))));
    let word = |clicked| json!(if clicked { "Yes" } else { "No" });
    members.extend(CLICKS.iter().zip(lead.clicks).map(|(key, clicked)| ((*key).to_owned(), word(clicked))));
    members.insert("company_name".to_owned(), if lead.has_company { json!(COMPANY) } else { Value::Null });
    Value::Object(members)
}

/// Every figure of a lead by the name that a schema gives it.
pub(super) fn told(lead: &LeadTruth) -> std::collections::HashMap<&'static str, Value> {
    let mut told: std::collections::HashMap<&'static str, Value> =
        SCORES.into_iter().zip(lead.scores.map(|score| json!(score))).collect();
    told.extend(CLICKS.into_iter().zip(lead.clicks.map(|clicked| json!(clicked))));
    told.insert("total_score", json!(lead.scores.iter().sum::<i64>()));
    told.insert("company_name", if lead.has_company { json!(COMPANY) } else { Value::Null });
    told
}

fn python(lead: &LeadTruth) -> String {
    let mut members: Vec<String> =
        SCORES.iter().zip(lead.scores).map(|(key, score)| format!("'{key}': {score}")).collect();
    let word = |clicked| if clicked { "True" } else { "False" };
    members.extend(CLICKS.iter().zip(lead.clicks).map(|(key, clicked)| format!("'{key}': {}", word(clicked))));
    // With an apostrophe inside, Python writes the text in double quotes.
    let company = if lead.has_company { format!("\"{COMPANY}\"") } else { "None".to_owned() };
    members.push(format!("'company_name': {company}"));
    format!("{{{}}}", members.join(", "))
}

/// One sentence for each level of a dimension, lowest first.
const SENTENCES: [[&str; 3]; 4] = [
    ["I am just looking.", "I am curious.", "Please sign me up."],
    ["There is no hurry.", "It would be next month.", "It is urgent."],
    ["That is too expensive.", "A discount would help.", "That is within budget."],
    ["It is not relevant.", "It is about our team.", "It is a good fit."],
];
/// What asks for prices, a demonstration, a call back, a sample, a person.
const WISHES: [&str; 5] = [
    "Send me a quote.",
    "Give me a demonstration.",
    "Please get back to me.",
    "Send me samples.",
    "Let me speak to a person.",
];
/// Thirty words and more that mean nothing.
const CHATTER: &str = "The weather has been lovely here and the garden is green and the children play outside \
     until dinner and then we sit on the porch and watch the boats come home every single evening.";

/// What a customer says whose levels (1 to 3 for intent, urgency, budget, fit and
/// engagement) and wishes are these: by `docs/lead-analysis.md` the rules find them again.
pub(super) fn turns(levels: [usize; 5], clicks: [bool; 5]) -> Vec<String> {
    let [said @ .., engagement] = levels;
    let mut sentences: Vec<String> = SENTENCES.iter().zip(said).map(|(row, level)| row[level - 1].to_owned()).collect();
    sentences.extend(WISHES.iter().zip(clicks).filter(|(_, wished)| *wished).map(|(wish, _)| (*wish).to_owned()));
    match engagement {
        // Two turns are little, four are some, five with many words are a lot.
        1 => join(&sentences, 2),
        2 => join(&sentences, 4),
        _ => {
            let mut turns = join(&sentences, 4);
            turns.push(CHATTER.to_owned());
            turns
        }
    }
}

fn join(sentences: &[String], turns: usize) -> Vec<String> {
    let size = sentences.len().div_ceil(turns).max(1);
    let mut parts: Vec<String> = sentences.chunks(size).map(|part| part.join(" ")).collect();
    // Four sentences and some wishes do not always fill the last turn.
    while parts.len() < turns {
        parts.push("All right.".to_owned());
    }
    parts
}

/// Levels drawn, and the scores that they are on a scale: thirds, rounded half up.
pub(super) fn draw_levels(dice: &mut Dice, full: i64) -> ([usize; 5], [i64; 5]) {
    let levels: [usize; 5] = std::array::from_fn(|_| dice.pick(&[1, 2, 3]));
    let scores = levels.map(|level| (level as i64 * full * 2 + 3) / 6);
    (levels, scores)
}
