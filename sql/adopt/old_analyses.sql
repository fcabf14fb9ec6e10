-- The newest individual analysis of each call of a tenant of the old database ($1), in the form in which analyses are posted.
SELECT DISTINCT ON (l.call_id) jsonb_build_object(
    'execution_id', c.bolna_execution_id,
    'agent_id', a.bolna_agent_id,
    'analysis_type', 'individual',
    'analyzed_at', l.created_at,
    'analysis', jsonb_strip_nulls(jsonb_build_object(
        'intent_level', l.intent_level, 'intent_score', l.intent_score,
        'urgency_level', l.urgency_level, 'urgency_score', l.urgency_score,
        'budget_constraint', l.budget_constraint, 'budget_score', l.budget_score,
        'fit_alignment', l.fit_alignment, 'fit_score', l.fit_score,
        'engagement_health', l.engagement_health, 'engagement_score', l.engagement_score,
        'total_score', l.total_score, 'lead_status_tag', l.lead_status_tag,
        'cta_pricing_clicked', l.cta_pricing_clicked, 'cta_demo_clicked', l.cta_demo_clicked,
        'cta_followup_clicked', l.cta_followup_clicked, 'cta_sample_clicked', l.cta_sample_clicked,
        'cta_escalated_to_human', l.cta_escalated_to_human, 'demo_book_datetime', l.demo_book_datetime,
        'reasoning', l.reasoning,
        'extraction', jsonb_build_object('name', l.extracted_name, 'email_address', l.extracted_email,
            'company_name', l.company_name, 'smartnotification', l.smart_notification))))::text AS body
FROM public.lead_analytics l
JOIN public.calls c ON c.id = l.call_id
JOIN public.agents a ON a.id = c.agent_id
WHERE c.user_id = $1 AND c.bolna_execution_id <> '' AND coalesce(to_jsonb(l) ->> 'analysis_type', 'individual') = 'individual'
ORDER BY l.call_id, l.created_at DESC, l.id
