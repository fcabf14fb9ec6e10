-- Writes calls as merged; a row that does not change is not written. $1 rows of public.calls as JSON.
INSERT INTO public.calls AS c (
    user_id, id, agent_id, contact_id, phone_number, duration_minutes, credits_micros, status, outcome, call_lifecycle_status,
    recording_url, created_at, started_at, completed_at, call_source, caller_name, caller_email, lead_type, duration_seconds,
    bolna_execution_id, bolna_conversation_id, bolna_call_config, bolna_voice_settings, bolna_metadata, attempt, cost_micros,
    billing_settled, hangup_by, hangup_reason,
    hangup_provider_code, ringing_started_at, call_answered_at, call_disconnected_at, summary, flags,
    billing_pulse_seconds, credits_per_minute_micros, busy_dials, no_answer_dials, failed_dials, unanswered_sids)
SELECT r.user_id, r.id, r.agent_id, r.contact_id, r.phone_number, r.duration_minutes, r.credits_micros, r.status, r.outcome,
       r.call_lifecycle_status, r.recording_url, r.created_at, r.started_at, r.completed_at, r.call_source, r.caller_name, r.caller_email,
       r.lead_type, r.duration_seconds, r.bolna_execution_id, r.bolna_execution_id, r.bolna_call_config,
       r.bolna_voice_settings, r.bolna_metadata, r.attempt, r.cost_micros,
       r.billing_settled, r.hangup_by, r.hangup_reason, r.hangup_provider_code, r.ringing_started_at, r.call_answered_at,
       r.call_disconnected_at, r.summary, r.flags, r.billing_pulse_seconds, r.credits_per_minute_micros,
       r.busy_dials, r.no_answer_dials, r.failed_dials, r.unanswered_sids
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, id uuid, agent_id uuid, contact_id uuid, phone_number text, duration_minutes integer, credits_micros bigint,
    status text, outcome text, call_lifecycle_status text, recording_url text, created_at timestamptz, started_at timestamptz,
    completed_at timestamptz, call_source text, caller_name text, caller_email text, lead_type text, duration_seconds integer,
    bolna_execution_id text, bolna_call_config jsonb, bolna_voice_settings jsonb, bolna_metadata jsonb,
    attempt integer, cost_micros bigint, billing_settled boolean, hangup_by text,
    hangup_reason text, hangup_provider_code bigint, ringing_started_at timestamptz, call_answered_at timestamptz,
    call_disconnected_at timestamptz, summary text, flags text[],
    billing_pulse_seconds integer, credits_per_minute_micros bigint, busy_dials smallint, no_answer_dials smallint,
    failed_dials smallint, unanswered_sids smallint)
ORDER BY r.user_id, r.id
ON CONFLICT (user_id, id) DO UPDATE SET (
    agent_id, contact_id, phone_number, duration_minutes, credits_micros, status, outcome, call_lifecycle_status,
    recording_url, created_at, started_at, completed_at, call_source, caller_name, caller_email, lead_type, duration_seconds,
    bolna_execution_id, bolna_conversation_id, bolna_call_config, bolna_voice_settings, bolna_metadata, attempt, cost_micros,
    billing_settled, hangup_by, hangup_reason,
    hangup_provider_code, ringing_started_at, call_answered_at, call_disconnected_at, summary, flags,
    billing_pulse_seconds, credits_per_minute_micros, busy_dials, no_answer_dials, failed_dials, unanswered_sids
) = (
    EXCLUDED.agent_id, EXCLUDED.contact_id, EXCLUDED.phone_number, EXCLUDED.duration_minutes, EXCLUDED.credits_micros,
    EXCLUDED.status, EXCLUDED.outcome, EXCLUDED.call_lifecycle_status, EXCLUDED.recording_url, EXCLUDED.created_at,
    EXCLUDED.started_at, EXCLUDED.completed_at, EXCLUDED.call_source, EXCLUDED.caller_name, EXCLUDED.caller_email,
    EXCLUDED.lead_type, EXCLUDED.duration_seconds, EXCLUDED.bolna_execution_id, EXCLUDED.bolna_conversation_id, EXCLUDED.bolna_call_config,
    EXCLUDED.bolna_voice_settings, EXCLUDED.bolna_metadata,
    EXCLUDED.attempt, EXCLUDED.cost_micros, EXCLUDED.billing_settled, EXCLUDED.hangup_by, EXCLUDED.hangup_reason,
    EXCLUDED.hangup_provider_code, EXCLUDED.ringing_started_at, EXCLUDED.call_answered_at, EXCLUDED.call_disconnected_at,
    EXCLUDED.summary, EXCLUDED.flags, EXCLUDED.billing_pulse_seconds, EXCLUDED.credits_per_minute_micros,
    EXCLUDED.busy_dials, EXCLUDED.no_answer_dials, EXCLUDED.failed_dials, EXCLUDED.unanswered_sids
)
WHERE (
    c.agent_id, c.contact_id, c.phone_number, c.duration_minutes, c.credits_micros, c.status, c.outcome, c.call_lifecycle_status,
    c.recording_url, c.created_at, c.started_at, c.completed_at, c.call_source, c.caller_name, c.caller_email,
    c.lead_type, c.duration_seconds, c.bolna_execution_id, c.bolna_call_config, c.bolna_voice_settings, c.bolna_metadata, c.attempt,
    c.cost_micros, c.billing_settled, c.hangup_by, c.hangup_reason,
    c.hangup_provider_code, c.ringing_started_at, c.call_answered_at, c.call_disconnected_at, c.summary, c.flags,
    c.billing_pulse_seconds, c.credits_per_minute_micros, c.busy_dials, c.no_answer_dials, c.failed_dials, c.unanswered_sids
) IS DISTINCT FROM (
    EXCLUDED.agent_id, EXCLUDED.contact_id, EXCLUDED.phone_number, EXCLUDED.duration_minutes, EXCLUDED.credits_micros,
    EXCLUDED.status, EXCLUDED.outcome, EXCLUDED.call_lifecycle_status, EXCLUDED.recording_url, EXCLUDED.created_at,
    EXCLUDED.started_at, EXCLUDED.completed_at, EXCLUDED.call_source, EXCLUDED.caller_name, EXCLUDED.caller_email,
    EXCLUDED.lead_type, EXCLUDED.duration_seconds, EXCLUDED.bolna_execution_id, EXCLUDED.bolna_call_config, EXCLUDED.bolna_voice_settings,
    EXCLUDED.bolna_metadata, EXCLUDED.attempt, EXCLUDED.cost_micros,
    EXCLUDED.billing_settled, EXCLUDED.hangup_by, EXCLUDED.hangup_reason, EXCLUDED.hangup_provider_code,
    EXCLUDED.ringing_started_at, EXCLUDED.call_answered_at, EXCLUDED.call_disconnected_at, EXCLUDED.summary, EXCLUDED.flags,
    EXCLUDED.billing_pulse_seconds, EXCLUDED.credits_per_minute_micros, EXCLUDED.busy_dials, EXCLUDED.no_answer_dials,
    EXCLUDED.failed_dials, EXCLUDED.unanswered_sids
)
