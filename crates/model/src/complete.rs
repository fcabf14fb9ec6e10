//! A contact's analyses folded into one.
//!
//! Pure and order-free: the analyses are put in the order of their calls first.
//! One analysis is copied as it is. Of several, each field is the latest one that
//! says anything; what was asked for once stays asked for; the total is made of the
//! folded scores, or is the latest one where a score is missing.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::event::LeadAnalysis;
use crate::scores::{Scales, total_of};

/// The analysis of one call of a contact.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysed {
    /// The call.
    pub call_id: Uuid,
    /// When it began: analyses are taken in this order, then by id.
    pub started_at: DateTime<Utc>,
    /// When it was analysed.
    pub analysed_at: Option<DateTime<Utc>>,
    /// What was found.
    pub analysis: LeadAnalysis,
}

/// What a contact's calls come to together.
#[derive(Debug, Clone, PartialEq)]
pub struct Complete {
    /// The newest call that was analysed.
    pub latest_call_id: Uuid,
    /// Analysed calls before it.
    pub previous_calls: usize,
    /// The latest of the analyses' times.
    pub analysed_at: Option<DateTime<Utc>>,
    /// The fold.
    pub analysis: LeadAnalysis,
}

/// Folds the analyses of one contact; `None` of none.
pub fn fold(analyses: &[Analysed], scales: Scales) -> Option<Complete> {
    let mut ordered: Vec<&Analysed> = analyses.iter().collect();
    ordered.sort_by_key(|analysed| (analysed.started_at, analysed.call_id));
    let (latest, previous) = ordered.split_last()?;
    let analysis = if previous.is_empty() { latest.analysis.clone() } else { fold_several(&ordered, scales) };
    Some(Complete {
        latest_call_id: latest.call_id,
        previous_calls: previous.len(),
        analysed_at: ordered.iter().filter_map(|analysed| analysed.analysed_at).max(),
        analysis,
    })
}

fn fold_several(ordered: &[&Analysed], scales: Scales) -> LeadAnalysis {
    let mut folded = LeadAnalysis::default();
    for analysed in ordered {
        let next = &analysed.analysis;
        for (to, from) in folded.scores_mut().into_iter().zip(next.scores()) {
            *to = from.or(*to);
        }
        folded.total_score = next.total_score.or(folded.total_score);
        take_words(&mut folded, next);
        folded.reasoning = merged(std::mem::take(&mut folded.reasoning), &next.reasoning);
        folded.demo_book_datetime = next.demo_book_datetime.or(folded.demo_book_datetime);
        folded.cta_pricing_clicked |= next.cta_pricing_clicked;
        folded.cta_demo_clicked |= next.cta_demo_clicked;
        folded.cta_followup_clicked |= next.cta_followup_clicked;
        folded.cta_sample_clicked |= next.cta_sample_clicked;
        folded.cta_escalated_to_human |= next.cta_escalated_to_human;
    }
    folded.total_score = total_of(folded.scores(), scales).or(folded.total_score);
    folded
}

fn take_words(into: &mut LeadAnalysis, from: &LeadAnalysis) {
    let pairs = [
        (&mut into.intent_level, &from.intent_level),
        (&mut into.urgency_level, &from.urgency_level),
        (&mut into.budget_constraint, &from.budget_constraint),
        (&mut into.fit_alignment, &from.fit_alignment),
        (&mut into.engagement_health, &from.engagement_health),
        (&mut into.lead_status_tag, &from.lead_status_tag),
        (&mut into.company_name, &from.company_name),
        (&mut into.extracted_name, &from.extracted_name),
        (&mut into.extracted_email, &from.extracted_email),
        (&mut into.smart_notification, &from.smart_notification),
        (&mut into.transcript_summary, &from.transcript_summary),
    ];
    for (to, from) in pairs {
        if from.is_some() {
            to.clone_from(from);
        }
    }
}

/// Reasons by key, the latest of each; anything but objects replaces what was.
fn merged(into: Value, from: &Value) -> Value {
    match (into, from) {
        (into, Value::Null) => into,
        (Value::Object(mut into), Value::Object(from)) => {
            into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
            Value::Object(into)
        }
        (_, Value::Object(from)) if from.is_empty() => Value::Object(Map::new()),
        (_, from) => from.clone(),
    }
}
