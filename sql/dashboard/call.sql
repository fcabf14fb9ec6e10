-- Returns the call $2 of tenant $1 with its agent, contact, transcript and analysis.
SELECT c.id, c.started_at, c.completed_at, c.ringing_started_at, c.call_answered_at, c.call_disconnected_at, c.outcome,
       c.call_lifecycle_status AS lifecycle, c.lead_type, c.call_source, c.phone_number, c.caller_name, c.caller_email, c.attempt,
       c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros, c.billing_settled, c.hangup_by, c.hangup_reason,
       c.summary, c.flags, c.bolna_execution_id AS execution_id, c.recording_url, c.agent_id, g.name AS "agent_name?",
       c.contact_id, k.name AS "contact_name?", t.content AS "transcript?", t.analysis_status AS "analysis_status?",
       a.total_score, a.score_scale AS "score_scale?", a.dimension_scale AS "dimension_scale?", a.quality, a.lead_status_tag,
       a.intent_score, a.urgency_score, a.budget_score, a.fit_score, a.engagement_score, a.reasoning AS "reasoning?"
FROM public.calls c
LEFT JOIN public.agents g ON g.user_id = c.user_id AND g.id = c.agent_id
LEFT JOIN public.contacts k ON k.user_id = c.user_id AND k.id = c.contact_id
LEFT JOIN public.transcripts t ON t.user_id = c.user_id AND t.call_id = c.id
LEFT JOIN public.lead_analytics a ON a.user_id = c.user_id AND a.call_id = c.id AND a.analysis_type = 'individual'
WHERE c.user_id = $1 AND c.id = $2
