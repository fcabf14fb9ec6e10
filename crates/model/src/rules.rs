//! An analysis by fixed rules: no network, no clock, the same words always give the
//! same result. What counts is what the customer says; the agent's turns are not
//! looked at. The phrases are in `rules/phrases.rs`, their meaning is described in
//! `docs/lead-analysis.md`.

mod person;
mod phrases;
mod words;

use serde_json::{Map, Value};

use self::phrases::{Dimension, FLAGS, REFUSALS};
use self::words::Sentence;
use crate::event::LeadAnalysis;
use crate::scores::{Scales, total_of};

/// Levels of a dimension; the highest is a full score.
const LEVELS: i32 = 3;

/// Analyses the customer's turns of a transcript (`user: …`, `assistant: …`, a line
/// without a speaker goes on with the turn before). `None` if the customer said
/// nothing.
///
/// Each of the five scores is a third, two thirds or all of the scale. A dimension of
/// which nothing was said gets the lowest score and no level word.
pub fn analyse(transcript: &str, scales: Scales) -> Option<LeadAnalysis> {
    let turns = words::customer_turns(transcript);
    let sentences: Vec<Sentence> = turns.iter().flat_map(|turn| words::sentences(turn)).collect();
    if sentences.is_empty() {
        return None;
    }
    let refused = heard(&sentences, REFUSALS);
    let mut reasons = Map::new();
    let mut note = |key: &str, text: String| {
        reasons.insert(key.to_owned(), Value::String(text));
    };
    let mut found: [Option<i32>; 4] = [None; 4];
    for (level, dimension) in found.iter_mut().zip(Dimension::ALL) {
        let (reached, said) = dimension.level(&sentences, !refused.is_empty());
        *level = reached;
        if !said.is_empty() {
            note(dimension.name(), format!("heard: {}", said.join(", ")));
        }
    }
    let [intent, urgency, budget, fit] = found;
    let engagement = engagement(&turns, &sentences);
    note("engagement", format!("{} turns, {} words", turns.len(), words_of(&sentences)));
    let flags = FLAGS.map(|phrases| !heard(&sentences, phrases).is_empty());
    Some(assemble(
        [intent, urgency, budget, fit, Some(engagement)],
        flags,
        &turns,
        !refused.is_empty(),
        reasons,
        scales,
    ))
}

fn assemble(
    levels: [Option<i32>; 5],
    flags: [bool; 5],
    turns: &[String],
    refused: bool,
    reasons: Map<String, Value>,
    scales: Scales,
) -> LeadAnalysis {
    let scores = levels.map(|level| Some(score(level.unwrap_or(1), scales)));
    let total = total_of(scores, scales);
    let [intent, urgency, budget, fit, engagement] = levels.map(|level| level.map(word));
    let budget = budget.map(|word| match word {
        "High" => "Yes",
        "Medium" => "Maybe",
        _ => "No",
    });
    let [pricing, demo, followup, sample, human] = flags;
    let [intent_score, urgency_score, budget_score, fit_score, engagement_score] = scores;
    let owned = |word: Option<&str>| word.map(str::to_owned);
    LeadAnalysis {
        intent_score,
        urgency_score,
        budget_score,
        fit_score,
        engagement_score,
        intent_level: owned(intent),
        urgency_level: owned(urgency),
        budget_constraint: owned(budget),
        fit_alignment: owned(fit),
        engagement_health: owned(engagement),
        total_score: total,
        lead_status_tag: total.map(|total| tag(total, refused, scales).to_owned()),
        reasoning: Value::Object(reasons),
        company_name: person::company(turns),
        extracted_name: person::name(turns),
        extracted_email: person::email(turns),
        smart_notification: None,
        transcript_summary: None,
        demo_book_datetime: None,
        follow_up_at: None,
        follow_up_date: None,
        cta_pricing_clicked: pricing,
        cta_demo_clicked: demo,
        cta_followup_clicked: followup,
        cta_sample_clicked: sample,
        cta_escalated_to_human: human,
    }
}

/// The phrases that are said and not denied, each once.
fn heard(sentences: &[Sentence], phrases: &[&'static str]) -> Vec<&'static str> {
    phrases.iter().copied().filter(|phrase| sentences.iter().any(|sentence| sentence.says(phrase))).collect()
}

fn words_of(sentences: &[Sentence]) -> usize {
    sentences.iter().map(Sentence::len).sum()
}

/// How much the customer took part: by turns, words and questions.
fn engagement(turns: &[String], sentences: &[Sentence]) -> i32 {
    let questions = sentences.iter().filter(|sentence| sentence.is_question).count();
    match (turns.len(), words_of(sentences)) {
        (turns, words) if (turns >= 5 && words >= 40) || (questions >= 2 && words >= 20) => 3,
        (turns, words) if (turns >= 3 && words >= 10) || (questions >= 1 && words >= 5) => 2,
        _ => 1,
    }
}

/// A level as a score: its part of the scale, half up.
fn score(level: i32, scales: Scales) -> i32 {
    (level * scales.dimension * 2 + LEVELS) / (LEVELS * 2)
}

fn word(level: i32) -> &'static str {
    match level {
        3 => "High",
        2 => "Medium",
        _ => "Low",
    }
}

/// Who refuses is cold, whatever else was said.
fn tag(total: i32, refused: bool, scales: Scales) -> &'static str {
    match i64::from(total) * 100 / i64::from(scales.total) {
        _ if refused => "Cold",
        80.. => "Hot",
        60.. => "Warm",
        _ => "Cold",
    }
}
