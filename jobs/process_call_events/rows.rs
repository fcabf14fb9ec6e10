//! Rows as statements take them: JSON that `jsonb_to_recordset` reads.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tallyline_model::{CallState, Direction, LeadAnalysis, Outcome};
use uuid::Uuid;

use super::ProcessError;
use super::claim::{PendingId, Tenant};
use super::details;
use super::intake::Parsed;
use super::ledger::Bill;
use crate::lead_columns::LeadColumns;
pub(super) use crate::lead_columns::cut;

/// Longest texts that the columns hold, in characters.
pub(super) const NUMBER_CHARS: usize = 50;
pub(super) const NAME_CHARS: usize = 255;
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
    /// Latest start of the batch's calls of this number.
    pub(super) last_call_at: DateTime<Utc>,
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
    caller_email: Option<String>,
    lead_type: Option<&'static str>,
    duration_seconds: i64,
    bolna_execution_id: Option<String>,
    bolna_call_config: Value,
    bolna_voice_settings: Value,
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
    busy_dials: i16,
    no_answer_dials: i16,
    failed_dials: i16,
    unanswered_sids: i16,
}

impl CallRow {
    pub(super) fn new(
        (user_id, id): (Uuid, Uuid),
        agent_id: Uuid,
        contact_id: Option<Uuid>,
        bill: Bill,
        state: &CallState,
        unanswered_sids: usize,
    ) -> Self {
        let dials = |outcome: Outcome| small(state.attempts.iter().filter(|dial| dial.outcome == outcome).count());
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
            caller_email: state.customer_email.as_deref().map(|e| cut(e, NAME_CHARS)),
            lead_type: state.direction.map(Direction::as_str),
            duration_seconds: state.duration_seconds,
            bolna_execution_id: state.execution_id.clone(),
            bolna_call_config: details::call_config(state),
            bolna_voice_settings: details::voice_settings(&state.usage),
            bolna_metadata: details::metadata(state),
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
            busy_dials: dials(Outcome::Busy),
            no_answer_dials: dials(Outcome::NoAnswer),
            failed_dials: dials(Outcome::Failed),
            unanswered_sids: small(unanswered_sids),
        }
    }
}

/// No call has so many dials that this cuts anything.
fn small(count: usize) -> i16 {
    i16::try_from(count).unwrap_or(i16::MAX)
}

#[derive(Debug, Serialize)]
pub(super) struct AttemptRow {
    pub(super) user_id: Uuid,
    pub(super) call_id: Uuid,
    pub(super) attempt: i32,
    pub(super) lifecycle: String,
    pub(super) outcome: &'static str,
    pub(super) call_sid: Option<String>,
    pub(super) started_at: Option<DateTime<Utc>>,
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
    /// What is said of it while nobody has analysed it and nobody is about to.
    pub(super) unanalysed_status: &'static str,
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
    #[serde(flatten)]
    columns: LeadColumns,
    smart_notification: Option<String>,
    demo_book_datetime: Option<DateTime<Utc>>,
    phone_number: Option<String>,
    analysis_timestamp: Option<DateTime<Utc>>,
    transcript_summary: Option<String>,
}

impl LeadRow {
    pub(super) fn new(
        (user_id, call_id): (Uuid, Uuid),
        tenant: &Tenant,
        state: &CallState,
        lead: &LeadAnalysis,
    ) -> Self {
        LeadRow {
            user_id,
            call_id,
            columns: LeadColumns::new(lead, tenant.scales, tenant.thresholds),
            smart_notification: lead.smart_notification.clone(),
            demo_book_datetime: lead.demo_book_datetime,
            phone_number: state.customer_number.as_deref().map(|n| cut(n, NUMBER_CHARS)),
            analysis_timestamp: state.analysis_at,
            transcript_summary: lead.transcript_summary.clone().or_else(|| state.summary.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
