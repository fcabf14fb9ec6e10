//! An analysis of ours in the form in which others post theirs.
//!
//! What is written here is read back by [`crate::parse_analysis`], so that there is
//! one way into the database for all analyses. The bytes follow from the arguments
//! alone: an analysis that is made again is the same event again.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::event::LeadAnalysis;

/// The body for an individual analysis of the execution; `analyzed_at` decides
/// which of several analyses of a call counts.
pub fn analysis_body(execution_id: &str, analyzed_at: DateTime<Utc>, analysis: &LeadAnalysis) -> Vec<u8> {
    let body = json!({
        "execution_id": execution_id,
        "analysis_type": "individual",
        "analyzed_at": analyzed_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "analysis": analysis_object(analysis),
    });
    body.to_string().into_bytes()
}

/// The analysis as the documented object.
pub fn analysis_object(analysis: &LeadAnalysis) -> Value {
    json!({
        "intent_level": analysis.intent_level, "intent_score": analysis.intent_score,
        "urgency_level": analysis.urgency_level, "urgency_score": analysis.urgency_score,
        "budget_constraint": analysis.budget_constraint, "budget_score": analysis.budget_score,
        "fit_alignment": analysis.fit_alignment, "fit_score": analysis.fit_score,
        "engagement_health": analysis.engagement_health, "engagement_score": analysis.engagement_score,
        "total_score": analysis.total_score,
        "lead_status_tag": analysis.lead_status_tag,
        "demo_book_datetime": analysis.demo_book_datetime.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        "follow_up_at": analysis.follow_up_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        "follow_up_date": analysis.follow_up_date,
        "cta_pricing_clicked": analysis.cta_pricing_clicked,
        "cta_demo_clicked": analysis.cta_demo_clicked,
        "cta_followup_clicked": analysis.cta_followup_clicked,
        "cta_sample_clicked": analysis.cta_sample_clicked,
        "cta_escalated_to_human": analysis.cta_escalated_to_human,
        "reasoning": analysis.reasoning,
        "extraction": {
            "name": analysis.extracted_name,
            "email_address": analysis.extracted_email,
            "company_name": analysis.company_name,
            "smartnotification": analysis.smart_notification,
            "in_detail_summary": analysis.transcript_summary,
        },
    })
}
