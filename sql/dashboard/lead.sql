-- Returns the contact $2 of tenant $1 with the analysis of all its calls and, if it is one, the customer.
SELECT k.id, k.name, k.phone_number, k.phone_e164, k.email, k.company, k.notes, k.created_at, k.last_contact_at, k.not_connected,
       k.call_attempted_busy AS busy, k.call_attempted_no_answer AS no_answer, k.call_attempted_failed AS failed,
       a.total_score, a.score_scale AS "score_scale?", a.dimension_scale AS "dimension_scale?", a.quality, a.lead_status_tag,
       a.intent_score, a.urgency_score, a.budget_score, a.fit_score, a.engagement_score, a.reasoning AS "reasoning?",
       a.analysis_timestamp, a.previous_calls_analyzed AS "calls_analyzed?",
       m.customer_reference_number AS "reference?", m.status AS "customer_status?", m.conversion_date AS "conversion_date?"
FROM public.contacts k
LEFT JOIN public.lead_analytics a ON a.user_id = k.user_id AND a.contact_id = k.id AND a.analysis_type = 'complete'
LEFT JOIN public.customers m ON m.user_id = k.user_id AND m.contact_id = k.id
WHERE k.user_id = $1 AND k.id = $2
