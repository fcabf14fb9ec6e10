-- Returns the analysed calls of contact $2 of tenant $1 with their transcripts and analyses, oldest first.
SELECT c.id AS call_id, c.started_at, c.lead_type,
       (SELECT t.content FROM public.transcripts t WHERE t.user_id = c.user_id AND t.call_id = c.id) AS transcript,
       jsonb_build_object(
           'intent_level', l.intent_level, 'intent_score', l.intent_score, 'urgency_level', l.urgency_level,
           'urgency_score', l.urgency_score, 'budget_constraint', l.budget_constraint, 'budget_score', l.budget_score,
           'fit_alignment', l.fit_alignment, 'fit_score', l.fit_score, 'engagement_health', l.engagement_health,
           'engagement_score', l.engagement_score, 'total_score', l.total_score, 'lead_status_tag', l.lead_status_tag,
           'demo_book_datetime', l.demo_book_datetime, 'reasoning', l.reasoning) AS "analysis!"
FROM public.calls c
JOIN public.lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
WHERE c.user_id = $1 AND c.contact_id = $2
ORDER BY c.started_at, c.id
