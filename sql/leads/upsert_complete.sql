-- Writes the complete analyses of contacts, one a contact. $1 rows of public.lead_analytics as JSON.
INSERT INTO public.lead_analytics AS l (
    user_id, contact_id, call_id, latest_call_id, previous_calls_analyzed, analysis_type, intent_level, intent_score, urgency_level,
    urgency_score, budget_constraint, budget_score, fit_alignment, fit_score, engagement_health, engagement_score, total_score,
    score_scale, dimension_scale, quality, lead_status_tag, reasoning, cta_interactions, company_name, extracted_name, extracted_email,
    cta_pricing_clicked, cta_demo_clicked, cta_followup_clicked, cta_sample_clicked, cta_escalated_to_human, demo_book_datetime,
    phone_number, analysis_timestamp, transcript_summary)
SELECT r.user_id, r.contact_id, r.call_id, r.call_id, r.previous_calls_analyzed, 'complete', r.intent_level, r.intent_score,
       r.urgency_level, r.urgency_score, r.budget_constraint, r.budget_score, r.fit_alignment, r.fit_score, r.engagement_health,
       r.engagement_score, r.total_score, r.score_scale, r.dimension_scale, r.quality, r.lead_status_tag, r.reasoning,
       jsonb_build_object('pricing_clicked', r.cta_pricing_clicked, 'demo_clicked', r.cta_demo_clicked, 'followup_clicked',
           r.cta_followup_clicked, 'sample_clicked', r.cta_sample_clicked, 'escalated_to_human', r.cta_escalated_to_human),
       r.company_name, r.extracted_name, r.extracted_email, r.cta_pricing_clicked, r.cta_demo_clicked, r.cta_followup_clicked,
       r.cta_sample_clicked, r.cta_escalated_to_human, r.demo_book_datetime, r.phone_number, r.analysis_timestamp, r.transcript_summary
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, contact_id uuid, call_id uuid, previous_calls_analyzed integer, intent_level text, intent_score integer,
    urgency_level text, urgency_score integer, budget_constraint text, budget_score integer, fit_alignment text, fit_score integer,
    engagement_health text, engagement_score integer, total_score integer, score_scale smallint, dimension_scale smallint,
    quality text, lead_status_tag text, reasoning jsonb, company_name text, extracted_name text, extracted_email text,
    cta_pricing_clicked boolean, cta_demo_clicked boolean, cta_followup_clicked boolean, cta_sample_clicked boolean,
    cta_escalated_to_human boolean, demo_book_datetime timestamptz, phone_number text, analysis_timestamp timestamptz,
    transcript_summary text)
ORDER BY r.user_id, r.contact_id
ON CONFLICT (user_id, contact_id) WHERE analysis_type = 'complete' DO UPDATE SET (
    call_id, latest_call_id, previous_calls_analyzed, intent_level, intent_score, urgency_level, urgency_score, budget_constraint,
    budget_score, fit_alignment, fit_score, engagement_health, engagement_score, total_score, score_scale, dimension_scale, quality,
    lead_status_tag, reasoning, cta_interactions, company_name, extracted_name, extracted_email, cta_pricing_clicked, cta_demo_clicked,
    cta_followup_clicked, cta_sample_clicked, cta_escalated_to_human, demo_book_datetime, phone_number, analysis_timestamp,
    transcript_summary
) = (
    EXCLUDED.call_id, EXCLUDED.latest_call_id, EXCLUDED.previous_calls_analyzed, EXCLUDED.intent_level, EXCLUDED.intent_score,
    EXCLUDED.urgency_level, EXCLUDED.urgency_score, EXCLUDED.budget_constraint, EXCLUDED.budget_score, EXCLUDED.fit_alignment,
    EXCLUDED.fit_score, EXCLUDED.engagement_health, EXCLUDED.engagement_score, EXCLUDED.total_score, EXCLUDED.score_scale,
    EXCLUDED.dimension_scale, EXCLUDED.quality, EXCLUDED.lead_status_tag, EXCLUDED.reasoning, EXCLUDED.cta_interactions,
    EXCLUDED.company_name, EXCLUDED.extracted_name, EXCLUDED.extracted_email, EXCLUDED.cta_pricing_clicked,
    EXCLUDED.cta_demo_clicked, EXCLUDED.cta_followup_clicked, EXCLUDED.cta_sample_clicked, EXCLUDED.cta_escalated_to_human,
    EXCLUDED.demo_book_datetime, EXCLUDED.phone_number, EXCLUDED.analysis_timestamp, EXCLUDED.transcript_summary
)
WHERE (
    l.call_id, l.latest_call_id, l.previous_calls_analyzed, l.intent_level, l.intent_score, l.urgency_level, l.urgency_score,
    l.budget_constraint, l.budget_score, l.fit_alignment, l.fit_score, l.engagement_health, l.engagement_score, l.total_score,
    l.score_scale, l.dimension_scale, l.quality, l.lead_status_tag, l.reasoning, l.company_name, l.extracted_name, l.extracted_email,
    l.cta_interactions, l.demo_book_datetime, l.phone_number, l.analysis_timestamp, l.transcript_summary
) IS DISTINCT FROM (
    EXCLUDED.call_id, EXCLUDED.latest_call_id, EXCLUDED.previous_calls_analyzed, EXCLUDED.intent_level, EXCLUDED.intent_score,
    EXCLUDED.urgency_level, EXCLUDED.urgency_score, EXCLUDED.budget_constraint, EXCLUDED.budget_score, EXCLUDED.fit_alignment,
    EXCLUDED.fit_score, EXCLUDED.engagement_health, EXCLUDED.engagement_score, EXCLUDED.total_score, EXCLUDED.score_scale,
    EXCLUDED.dimension_scale, EXCLUDED.quality, EXCLUDED.lead_status_tag, EXCLUDED.reasoning, EXCLUDED.company_name,
    EXCLUDED.extracted_name, EXCLUDED.extracted_email, EXCLUDED.cta_interactions, EXCLUDED.demo_book_datetime,
    EXCLUDED.phone_number, EXCLUDED.analysis_timestamp, EXCLUDED.transcript_summary
)
