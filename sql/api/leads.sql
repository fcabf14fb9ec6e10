-- Returns $5 leads of the tenant $1 after the contact $2: contacts with the analysis of all their calls; only the contact $3 or the
-- quality $4, where those are not null.
SELECT l.contact_id AS "contact_id!", c.name, c.phone_number, c.company, l.quality, l.total_score, l.score_scale, l.lead_status_tag,
       l.intent_level, l.urgency_level, l.budget_constraint, l.fit_alignment, l.engagement_health, l.latest_call_id,
       l.previous_calls_analyzed, l.analysis_timestamp, l.demo_scheduled_at, l.transcript_summary
FROM public.lead_analytics l
JOIN public.contacts c ON c.user_id = l.user_id AND c.id = l.contact_id
WHERE l.user_id = $1 AND l.analysis_type = 'complete' AND l.contact_id > $2
  AND ($3::uuid IS NULL OR l.contact_id = $3) AND ($4::text IS NULL OR l.quality = $4)
ORDER BY l.contact_id
LIMIT $5
