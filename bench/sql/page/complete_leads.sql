-- Makes the analysis of all calls of each contact of the tenant $1 that has a lead.
INSERT INTO public.lead_analytics (user_id, call_id, latest_call_id, contact_id, analysis_type, previous_calls_analyzed, total_score, quality,
                                   intent_score, urgency_score, budget_score, fit_score, engagement_score, company_name, lead_status_tag,
                                   reasoning, analysis_timestamp)
SELECT DISTINCT ON (c.contact_id) $1, l.call_id, l.call_id, c.contact_id, 'complete', 2, l.total_score, l.quality,
       l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.company_name, l.lead_status_tag,
       l.reasoning, now()
FROM public.lead_analytics l
JOIN public.calls c ON c.user_id = l.user_id AND c.id = l.call_id
WHERE l.user_id = $1 AND l.analysis_type = 'individual'
ORDER BY c.contact_id, c.started_at DESC
