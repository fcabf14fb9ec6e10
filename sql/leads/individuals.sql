-- Returns the individual analyses of the given contacts, of their own tenant's calls only. $1 tenants, $2 contacts.
SELECT c.user_id AS "user_id!", c.contact_id AS "contact_id!", c.id AS "call_id!", c.started_at AS "started_at!",
       l.intent_level, l.intent_score, l.urgency_level, l.urgency_score, l.budget_constraint, l.budget_score, l.fit_alignment,
       l.fit_score, l.engagement_health, l.engagement_score, l.total_score, l.lead_status_tag, l.reasoning, l.company_name,
       l.extracted_name, l.extracted_email, l.cta_pricing_clicked, l.cta_demo_clicked, l.cta_followup_clicked, l.cta_sample_clicked,
       l.cta_escalated_to_human, l.demo_book_datetime, l.transcript_summary, l.analysis_timestamp,
       coalesce(k.phone_e164, k.phone_number) AS "phone_number!"
FROM public.contacts k
JOIN public.calls c ON c.user_id = k.user_id AND c.contact_id = k.id
JOIN public.lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
WHERE (k.user_id, k.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY c.user_id, c.contact_id, c.started_at, c.id
