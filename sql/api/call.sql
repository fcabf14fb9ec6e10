-- Returns the call $2 of the tenant $1, with its transcript and its own analysis.
SELECT c.id, c.agent_id, c.contact_id, c.started_at, c.completed_at, c.outcome, c.lead_type AS direction, c.call_source AS source,
       c.phone_number, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros, c.hangup_by, c.hangup_reason,
       c.call_lifecycle_status AS lifecycle, c.attempt, c.billing_settled, c.ringing_started_at, c.call_answered_at,
       c.call_disconnected_at, c.summary, c.recording_url, c.caller_name, c.caller_email, c.bolna_execution_id, c.flags,
       t.content AS "transcript?", l.quality AS "quality?", l.total_score AS "total_score?", l.lead_status_tag AS "lead_status_tag?"
FROM public.calls c
LEFT JOIN public.transcripts t ON t.user_id = c.user_id AND t.call_id = c.id
LEFT JOIN public.lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
WHERE c.user_id = $1 AND c.id = $2
