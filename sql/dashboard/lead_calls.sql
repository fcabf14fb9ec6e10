-- Returns the calls of tenant $1 with the contact $2, newest first, at most $5, behind ($3, $4) if not null.
SELECT c.id, c.started_at, g.name AS "agent_name?", c.lead_type, c.outcome, c.duration_seconds, a.total_score, a.quality, c.summary
FROM public.calls c
LEFT JOIN public.agents g ON g.user_id = c.user_id AND g.id = c.agent_id
LEFT JOIN public.lead_analytics a ON a.user_id = c.user_id AND a.call_id = c.id AND a.analysis_type = 'individual'
WHERE c.user_id = $1 AND c.contact_id = $2 AND ($3::timestamptz IS NULL OR (c.started_at, c.id) < ($3, $4::uuid))
ORDER BY c.started_at DESC, c.id DESC
LIMIT $5
