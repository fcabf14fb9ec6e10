-- Writes scores, scales and bands of leads of tenant $1; those that do not change are not written. $2 rows as JSON.
UPDATE public.lead_analytics l SET (
    intent_score, urgency_score, budget_score, fit_score, engagement_score, total_score, score_scale, dimension_scale, quality
) = (
    r.intent_score, r.urgency_score, r.budget_score, r.fit_score, r.engagement_score, r.total_score, r.score_scale, r.dimension_scale,
    r.quality
)
FROM jsonb_to_recordset($2::jsonb) AS r (
    id uuid, intent_score integer, urgency_score integer, budget_score integer, fit_score integer, engagement_score integer,
    total_score integer, score_scale smallint, dimension_scale smallint, quality text)
WHERE l.user_id = $1 AND l.id = r.id
  AND (l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.total_score, l.score_scale,
       l.dimension_scale, l.quality)
      IS DISTINCT FROM
      (r.intent_score, r.urgency_score, r.budget_score, r.fit_score, r.engagement_score, r.total_score, r.score_scale,
       r.dimension_scale, r.quality)
