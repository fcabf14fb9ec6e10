//! Rows as statements take them: JSON that `jsonb_to_recordset` reads.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tallyline_model::{CallState, Direction, LeadAnalysis};
use uuid::Uuid;

use super::ProcessError;
use super::claim::{PendingId, Tenant};
use super::intake::Parsed;
use super::ledger::Bill;

/// Longest texts that the columns hold, in characters.
pub(super) const NUMBER_CHARS: usize = 50;
pub(super) const NAME_CHARS: usize = 255;
const LEVEL_CHARS: usize = 50;
const TAG_CHARS: usize = 100;
const HANGUP_BY_CHARS: usize = 64;

/// Name of a contact whose name nobody has given.
pub(super) const ANONYMOUS: &str = "Anonymous";

#[derive(Debug, Clone, Serialize)]
pub(super) struct QuarantineRow {
    pub(super) user_id: Uuid,
    pub(super) provider: &'static str,
    pub(super) endpoint: String,
    pub(super) inbox_id: i64,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    pub(super) wait_key: Option<String>,
    pub(super) received_at: DateTime<Utc>,
}

impl QuarantineRow {
    pub(super) fn id(&self) -> PendingId {
        PendingId { user_id: self.user_id, inbox_id: self.inbox_id }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct EventRow {
    user_id: Uuid,
    call_id: Uuid,
    provider: &'static str,
    body_sha256: String,
    inbox_id: i64,
    received_at: DateTime<Utc>,
    facts: Value,
}

impl EventRow {
    pub(super) fn new(call_id: Uuid, parsed: &Parsed) -> Result<Self, ProcessError> {
        let user_id = parsed.id.user_id;
        let facts = serde_json::to_value(&parsed.event).map_err(|source| ProcessError::Facts { user_id, source })?;
        Ok(EventRow {
            user_id,
            call_id,
            provider: parsed.event.provider.as_str(),
            body_sha256: hex::encode(parsed.event.body_sha256),
            inbox_id: parsed.id.inbox_id,
            received_at: parsed.event.received_at,
            facts,
        })
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ContactRow {
    pub(super) user_id: Uuid,
    pub(super) phone_e164: String,
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) company: Option<String>,
    pub(super) call_id: Uuid,
}

#[derive(Debug, Serialize)]
pub(super) struct CallRow {
    user_id: Uuid,
    id: Uuid,
    agent_id: Uuid,
    contact_id: Option<Uuid>,
    phone_number: Option<String>,
    duration_minutes: i64,
    credits_micros: i64,
    status: &'static str,
    outcome: &'static str,
    call_lifecycle_status: String,
    recording_url: Option<String>,
    created_at: DateTime<Utc>,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    call_source: &'static str,
    caller_name: Option<String>,
    lead_type: Option<&'static str>,
    duration_seconds: i64,
    bolna_execution_id: Option<String>,
    bolna_metadata: Value,
    attempt: i32,
    cost_micros: i64,
    billing_settled: Option<bool>,
    hangup_by: Option<String>,
    hangup_reason: Option<String>,
    hangup_provider_code: Option<i64>,
    ringing_started_at: Option<DateTime<Utc>>,
    call_answered_at: Option<DateTime<Utc>>,
    call_disconnected_at: Option<DateTime<Utc>>,
    summary: Option<String>,
    flags: Vec<String>,
    billing_pulse_seconds: Option<i32>,
    credits_per_minute_micros: Option<i64>,
}

impl CallRow {
    pub(super) fn new(
        (user_id, id): (Uuid, Uuid),
        agent_id: Uuid,
        contact_id: Option<Uuid>,
        bill: Bill,
        state: &CallState,
    ) -> Self {
        CallRow {
            user_id,
            id,
            agent_id,
            contact_id,
            phone_number: state.customer_number.as_deref().map(|n| cut(n, NUMBER_CHARS)),
            duration_minutes: state.duration_minutes,
            credits_micros: bill.credits_micros,
            status: state.outcome.status(),
            outcome: state.outcome.as_str(),
            call_lifecycle_status: state.lifecycle.clone(),
            recording_url: state.recording_url.clone(),
            created_at: state.first_received_at,
            started_at: state.started_at,
            completed_at: state.completed_at,
            call_source: state.source.as_str(),
            caller_name: state.customer_name.as_deref().map(|n| cut(n, NAME_CHARS)),
            lead_type: state.direction.map(Direction::as_str),
            duration_seconds: state.duration_seconds,
            bolna_execution_id: state.execution_id.clone(),
            bolna_metadata: bolna_metadata(state),
            attempt: state.attempt,
            cost_micros: state.cost_micros,
            billing_settled: state.billing_settled,
            hangup_by: state.hangup_by.as_deref().map(|t| cut(t, HANGUP_BY_CHARS)),
            hangup_reason: state.hangup_reason.clone(),
            hangup_provider_code: state.hangup_provider_code,
            ringing_started_at: state.ringing_started_at,
            call_answered_at: state.call_answered_at,
            call_disconnected_at: state.call_disconnected_at,
            summary: state.summary.clone(),
            flags: state.flags.clone(),
            billing_pulse_seconds: bill.terms.map(|terms| terms.pulse_seconds),
            credits_per_minute_micros: bill.terms.map(|terms| terms.credits_per_minute_micros),
        }
    }
}

/// What the provider says of a call beyond the columns.
fn bolna_metadata(state: &CallState) -> Value {
    let mut map = serde_json::Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            map.insert(key.to_owned(), value);
        }
    };
    put("cost_legs_micros", serde_json::json!(state.cost_legs));
    put("extracted_data", state.extracted_data.clone().unwrap_or(Value::Null));
    put("error_message", state.error_message.clone().into());
    put("smart_status", state.smart_status.clone().into());
    put("answered_by_voice_mail", state.answered_by_voice_mail.into());
    put("agent_number", state.agent_number.clone().into());
    put("conversation_seconds", state.conversation_seconds.map(|d| d.to_string()).into());
    put("event_count", state.event_count.into());
    Value::Object(map)
}

#[derive(Debug, Serialize)]
pub(super) struct AttemptRow {
    pub(super) user_id: Uuid,
    pub(super) call_id: Uuid,
    pub(super) attempt: i32,
    pub(super) lifecycle: String,
    pub(super) outcome: &'static str,
    pub(super) call_sid: Option<String>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) duration_seconds: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct TranscriptRow {
    pub(super) user_id: Uuid,
    pub(super) call_id: Uuid,
    pub(super) content: String,
    pub(super) speaker_segments: Value,
    pub(super) analysed: bool,
}

/// Turns of a transcript; a line without a speaker goes on with the turn before.
pub(super) fn speaker_segments(transcript: &str) -> Value {
    let mut segments: Vec<(&str, String)> = Vec::new();
    for line in transcript.lines() {
        let turn = [("assistant:", "agent"), ("user:", "user")]
            .into_iter()
            .find_map(|(mark, speaker)| Some((speaker, line.strip_prefix(mark)?.trim().to_owned())));
        match (turn, segments.last_mut()) {
            (Some(turn), _) => segments.push(turn),
            (None, Some((_, text))) => {
                text.push('\n');
                text.push_str(line);
            }
            (None, None) => segments.push(("unknown", line.to_owned())),
        }
    }
    segments.into_iter().map(|(speaker, text)| serde_json::json!({ "speaker": speaker, "text": text })).collect()
}

#[derive(Debug, Serialize)]
pub(super) struct UnansweredRow {
    pub(super) user_id: Uuid,
    pub(super) call_sid: String,
    pub(super) phone_number: String,
    pub(super) call_status: String,
    pub(super) contact_id: Option<Uuid>,
}

#[derive(Debug, Serialize)]
pub(super) struct LeadRow {
    user_id: Uuid,
    call_id: Uuid,
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
    score_scale: i16,
    dimension_scale: i16,
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
    smart_notification: Option<String>,
    demo_book_datetime: Option<DateTime<Utc>>,
    phone_number: Option<String>,
    analysis_timestamp: Option<DateTime<Utc>>,
}

impl LeadRow {
    pub(super) fn new(
        (user_id, call_id): (Uuid, Uuid),
        tenant: &Tenant,
        state: &CallState,
        lead: &LeadAnalysis,
    ) -> Self {
        let level = |text: &Option<String>| text.as_deref().map(|t| cut(t, LEVEL_CHARS));
        let name = |text: &Option<String>| text.as_deref().map(|t| cut(t, NAME_CHARS));
        LeadRow {
            user_id,
            call_id,
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
            score_scale: tenant.score_scale,
            dimension_scale: tenant.dimension_scale,
            quality: lead.total_score.map(|total| quality(total, tenant)),
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
            smart_notification: lead.smart_notification.clone(),
            demo_book_datetime: lead.demo_book_datetime,
            phone_number: state.customer_number.as_deref().map(|n| cut(n, NUMBER_CHARS)),
            analysis_timestamp: state.analysis_at,
        }
    }
}

/// The band of a total score by the tenant's thresholds, which are percentages
/// of its scale.
fn quality(total_score: i32, tenant: &Tenant) -> &'static str {
    let reaches = |percent: i16| i64::from(total_score) * 100 >= i64::from(percent) * i64::from(tenant.score_scale);
    if reaches(tenant.hot_threshold_percent) {
        "hot"
    } else if reaches(tenant.warm_threshold_percent) {
        "warm"
    } else if reaches(tenant.cold_threshold_percent) {
        "cold"
    } else {
        "unqualified"
    }
}

/// The first `max` characters.
pub(super) fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(score_scale: i16) -> Tenant {
        Tenant {
            default_country_code: None,
            score_scale,
            dimension_scale: 3,
            hot_threshold_percent: 80,
            warm_threshold_percent: 60,
            cold_threshold_percent: 40,
            billing_pulse_seconds: 60,
            credits_per_minute_micros: 1_000_000,
        }
    }

    #[test]
    fn thresholds_are_percentages_of_the_tenants_scale() {
        let bands =
            |scale, scores: &[i32]| -> Vec<&str> { scores.iter().map(|&s| quality(s, &tenant(scale))).collect() };
        assert_eq!(bands(15, &[15, 12, 11, 9, 8, 6, 5]), ["hot", "hot", "warm", "warm", "cold", "cold", "unqualified"]);
        assert_eq!(bands(100, &[80, 79, 60, 59, 40, 39]), ["hot", "warm", "warm", "cold", "cold", "unqualified"]);
    }

    #[test]
    fn a_line_without_a_speaker_goes_on_with_the_turn_before() {
        let segments = speaker_segments("assistant: Hello\nuser:  hi\nand more\n");
        assert_eq!(
            segments,
            serde_json::json!([{ "speaker": "agent", "text": "Hello" }, { "speaker": "user", "text": "hi\nand more" }])
        );
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("नमस्ते", 3).chars().count(), 3);
    }
}
