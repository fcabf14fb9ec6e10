-- Returns the next leads of tenant $1 after lead $2, at most $3, locked.
SELECT l.id, l.call_id, l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.total_score,
       l.score_scale, l.dimension_scale
FROM public.lead_analytics l
WHERE l.user_id = $1 AND l.analysis_type = 'individual' AND l.id > $2
ORDER BY l.id
LIMIT $3
FOR UPDATE
