//! What an analysis comes to in the columns that individual and complete rows share.

use serde::Serialize;
use serde_json::Value;
use tallyline_model::{LeadAnalysis, Scales, Thresholds};

/// Longest texts that the columns hold, in characters.
const LEVEL_CHARS: usize = 50;
const TAG_CHARS: usize = 100;
const NAME_CHARS: usize = 255;

/// Columns of `public.lead_analytics`, by their names.
#[derive(Debug, Serialize)]
pub(crate) struct LeadColumns {
    intent_level: Option<String>,
    intent_score: Option<i32>,
    urgency_level: Option<String>,
    urgency_score: Option<i32>,
    budget_constraint: Option<String>,
    budget_score: Option<i32>,
    fit_alignment: Option<String>,
    fit_score: Option<i32>,
    engagement_health: Option<String>,
    engagement_score: Option<i32>,
    total_score: Option<i32>,
    score_scale: i32,
    dimension_scale: i32,
    quality: Option<&'static str>,
    lead_status_tag: Option<String>,
    reasoning: Value,
    company_name: Option<String>,
    extracted_name: Option<String>,
    extracted_email: Option<String>,
    cta_pricing_clicked: bool,
    cta_demo_clicked: bool,
    cta_followup_clicked: bool,
    cta_sample_clicked: bool,
    cta_escalated_to_human: bool,
}

impl LeadColumns {
    /// The analysis with its band; texts are cut to what the columns hold.
    pub(crate) fn new(lead: &LeadAnalysis, scales: Scales, thresholds: Thresholds) -> Self {
        let level = |text: &Option<String>| text.as_deref().map(|t| cut(t, LEVEL_CHARS));
        let name = |text: &Option<String>| text.as_deref().map(|t| cut(t, NAME_CHARS));
        Self {
            intent_level: level(&lead.intent_level),
            intent_score: lead.intent_score,
            urgency_level: level(&lead.urgency_level),
            urgency_score: lead.urgency_score,
            budget_constraint: level(&lead.budget_constraint),
            budget_score: lead.budget_score,
            fit_alignment: level(&lead.fit_alignment),
            fit_score: lead.fit_score,
            engagement_health: level(&lead.engagement_health),
            engagement_score: lead.engagement_score,
            total_score: lead.total_score,
            score_scale: scales.total,
            dimension_scale: scales.dimension,
            quality: lead.total_score.map(|total| thresholds.quality(total, scales)),
            lead_status_tag: lead.lead_status_tag.as_deref().map(|t| cut(t, TAG_CHARS)),
            reasoning: if lead.reasoning.is_null() { serde_json::json!({}) } else { lead.reasoning.clone() },
            company_name: name(&lead.company_name),
            extracted_name: name(&lead.extracted_name),
            extracted_email: name(&lead.extracted_email),
            cta_pricing_clicked: lead.cta_pricing_clicked,
            cta_demo_clicked: lead.cta_demo_clicked,
            cta_followup_clicked: lead.cta_followup_clicked,
            cta_sample_clicked: lead.cta_sample_clicked,
            cta_escalated_to_human: lead.cta_escalated_to_human,
        }
    }
}

/// The first `max` characters.
pub(crate) fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that is asked about all calls of a contact may answer at any length.
    #[test]
    fn texts_fit_their_columns() {
        let long = Some("é".repeat(300));
        let lead = LeadAnalysis {
            intent_level: long.clone(),
            lead_status_tag: long.clone(),
            company_name: long,
            ..LeadAnalysis::default()
        };
        let thresholds = Thresholds { hot_percent: 80, warm_percent: 60, cold_percent: 40 };
        let columns = LeadColumns::new(&lead, Scales { total: 15, dimension: 3 }, thresholds);
        let lengths = [&columns.intent_level, &columns.lead_status_tag, &columns.company_name]
            .map(|text| text.as_deref().map(|text| text.chars().count()));
        assert_eq!(lengths, [Some(50), Some(100), Some(255)]);
    }
}
