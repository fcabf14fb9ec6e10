//! Rows as statements take them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tallyline_model::complete::Complete;
use tallyline_model::{Scales, Thresholds};
use uuid::Uuid;

use super::ContactKey;

/// A fold that was made, and what a provider is to be asked.
#[derive(Debug, Serialize)]
pub(super) struct FoldRow {
    pub(super) user_id: Uuid,
    pub(super) contact_id: Uuid,
    pub(super) input_sha256: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct CompleteRow {
    user_id: Uuid,
    contact_id: Uuid,
    call_id: Uuid,
    previous_calls_analyzed: usize,
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
    demo_book_datetime: Option<DateTime<Utc>>,
    phone_number: String,
    analysis_timestamp: Option<DateTime<Utc>>,
    transcript_summary: Option<String>,
}

impl CompleteRow {
    pub(super) fn new(
        (user_id, contact_id): ContactKey,
        phone_number: &str,
        complete: Complete,
        scales: Scales,
        thresholds: Thresholds,
    ) -> Self {
        let found = complete.analysis;
        CompleteRow {
            user_id,
            contact_id,
            call_id: complete.latest_call_id,
            previous_calls_analyzed: complete.previous_calls,
            intent_level: found.intent_level,
            intent_score: found.intent_score,
            urgency_level: found.urgency_level,
            urgency_score: found.urgency_score,
            budget_constraint: found.budget_constraint,
            budget_score: found.budget_score,
            fit_alignment: found.fit_alignment,
            fit_score: found.fit_score,
            engagement_health: found.engagement_health,
            engagement_score: found.engagement_score,
            total_score: found.total_score,
            score_scale: scales.total,
            dimension_scale: scales.dimension,
            quality: found.total_score.map(|total| thresholds.quality(total, scales)),
            lead_status_tag: found.lead_status_tag,
            reasoning: if found.reasoning.is_null() { serde_json::json!({}) } else { found.reasoning },
            company_name: found.company_name,
            extracted_name: found.extracted_name,
            extracted_email: found.extracted_email,
            cta_pricing_clicked: found.cta_pricing_clicked,
            cta_demo_clicked: found.cta_demo_clicked,
            cta_followup_clicked: found.cta_followup_clicked,
            cta_sample_clicked: found.cta_sample_clicked,
            cta_escalated_to_human: found.cta_escalated_to_human,
            demo_book_datetime: found.demo_book_datetime,
            phone_number: phone_number.to_owned(),
            analysis_timestamp: complete.analysed_at,
            transcript_summary: found.transcript_summary,
        }
    }

    /// Tenant and contact that the row is of.
    pub(super) fn contact(&self) -> ContactKey {
        (self.user_id, self.contact_id)
    }

    /// Tenant and call that the row points at.
    pub(super) fn call(&self) -> (Uuid, Uuid) {
        (self.user_id, self.call_id)
    }
}
