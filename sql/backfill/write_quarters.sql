-- Puts the staged rows of the written quarters into tally.quarter_rollups; returns nothing. Rows that did not change are not rewritten.
-- $1 bucket starts, $2 generations, in parallel arrays.
INSERT INTO tally.quarter_rollups AS r (
    user_id, bucket_start, agent_id, generation,
    total_calls, successful_calls, voicemail_calls, no_answer_calls,
    busy_calls, failed_outcome_calls, cancelled_calls, in_progress_calls,
    inbound_calls, outbound_calls, phone_calls, internet_calls,
    unknown_source_calls, total_duration_minutes, leads_generated, hot_leads,
    warm_leads, cold_leads, unqualified_leads, leads_with_company,
    intent_score_count, urgency_score_count, budget_score_count, fit_score_count,
    engagement_score_count, total_score_count, high_intent_leads, high_budget_leads,
    urgent_leads, cta_pricing_clicks, cta_demo_clicks, cta_followup_clicks,
    cta_sample_clicks, cta_human_escalations, leads_with_cta, talk_seconds,
    credits_micros, cost_micros, intent_score_sum, urgency_score_sum,
    budget_score_sum, fit_score_sum, engagement_score_sum, total_score_sum,
    fingerprint_hi, fingerprint_lo,
    duration_values, duration_counts, contact_ids
)
SELECT
    s.user_id, s.bucket_start, s.agent_id, b.generation, s.total_calls, s.successful_calls, s.voicemail_calls,
    s.no_answer_calls, s.busy_calls, s.failed_outcome_calls, s.cancelled_calls, s.in_progress_calls, s.inbound_calls,
    s.outbound_calls, s.phone_calls, s.internet_calls, s.unknown_source_calls, s.total_duration_minutes,
    s.leads_generated, s.hot_leads, s.warm_leads, s.cold_leads, s.unqualified_leads, s.leads_with_company,
    s.intent_score_count, s.urgency_score_count, s.budget_score_count, s.fit_score_count, s.engagement_score_count,
    s.total_score_count, s.high_intent_leads, s.high_budget_leads, s.urgent_leads, s.cta_pricing_clicks,
    s.cta_demo_clicks, s.cta_followup_clicks, s.cta_sample_clicks, s.cta_human_escalations, s.leads_with_cta,
    s.talk_seconds, s.credits_micros, s.cost_micros, s.intent_score_sum, s.urgency_score_sum, s.budget_score_sum,
    s.fit_score_sum, s.engagement_score_sum, s.total_score_sum, s.fingerprint_hi, s.fingerprint_lo,
    s.duration_values, s.duration_counts, s.contact_ids
FROM pg_temp.stage_quarters s
JOIN unnest($1::timestamptz[], $2::bigint[]) AS b (bucket_start, generation) ON b.bucket_start = s.bucket_start
ORDER BY s.user_id, s.bucket_start, s.agent_id
ON CONFLICT (user_id, bucket_start, agent_id) DO UPDATE SET (
    generation,
    total_calls, successful_calls, voicemail_calls, no_answer_calls,
    busy_calls, failed_outcome_calls, cancelled_calls, in_progress_calls,
    inbound_calls, outbound_calls, phone_calls, internet_calls,
    unknown_source_calls, total_duration_minutes, leads_generated, hot_leads,
    warm_leads, cold_leads, unqualified_leads, leads_with_company,
    intent_score_count, urgency_score_count, budget_score_count, fit_score_count,
    engagement_score_count, total_score_count, high_intent_leads, high_budget_leads,
    urgent_leads, cta_pricing_clicks, cta_demo_clicks, cta_followup_clicks,
    cta_sample_clicks, cta_human_escalations, leads_with_cta, talk_seconds,
    credits_micros, cost_micros, intent_score_sum, urgency_score_sum,
    budget_score_sum, fit_score_sum, engagement_score_sum, total_score_sum,
    fingerprint_hi, fingerprint_lo, duration_values, duration_counts,
    contact_ids
) = (
    EXCLUDED.generation,
    EXCLUDED.total_calls, EXCLUDED.successful_calls, EXCLUDED.voicemail_calls, EXCLUDED.no_answer_calls,
    EXCLUDED.busy_calls, EXCLUDED.failed_outcome_calls, EXCLUDED.cancelled_calls, EXCLUDED.in_progress_calls,
    EXCLUDED.inbound_calls, EXCLUDED.outbound_calls, EXCLUDED.phone_calls, EXCLUDED.internet_calls,
    EXCLUDED.unknown_source_calls, EXCLUDED.total_duration_minutes, EXCLUDED.leads_generated, EXCLUDED.hot_leads,
    EXCLUDED.warm_leads, EXCLUDED.cold_leads, EXCLUDED.unqualified_leads, EXCLUDED.leads_with_company,
    EXCLUDED.intent_score_count, EXCLUDED.urgency_score_count, EXCLUDED.budget_score_count, EXCLUDED.fit_score_count,
    EXCLUDED.engagement_score_count, EXCLUDED.total_score_count, EXCLUDED.high_intent_leads, EXCLUDED.high_budget_leads,
    EXCLUDED.urgent_leads, EXCLUDED.cta_pricing_clicks, EXCLUDED.cta_demo_clicks, EXCLUDED.cta_followup_clicks,
    EXCLUDED.cta_sample_clicks, EXCLUDED.cta_human_escalations, EXCLUDED.leads_with_cta, EXCLUDED.talk_seconds,
    EXCLUDED.credits_micros, EXCLUDED.cost_micros, EXCLUDED.intent_score_sum, EXCLUDED.urgency_score_sum,
    EXCLUDED.budget_score_sum, EXCLUDED.fit_score_sum, EXCLUDED.engagement_score_sum, EXCLUDED.total_score_sum,
    EXCLUDED.fingerprint_hi, EXCLUDED.fingerprint_lo, EXCLUDED.duration_values, EXCLUDED.duration_counts,
    EXCLUDED.contact_ids
)
WHERE (
    r.total_calls, r.successful_calls, r.voicemail_calls, r.no_answer_calls,
    r.busy_calls, r.failed_outcome_calls, r.cancelled_calls, r.in_progress_calls,
    r.inbound_calls, r.outbound_calls, r.phone_calls, r.internet_calls,
    r.unknown_source_calls, r.total_duration_minutes, r.leads_generated, r.hot_leads,
    r.warm_leads, r.cold_leads, r.unqualified_leads, r.leads_with_company,
    r.intent_score_count, r.urgency_score_count, r.budget_score_count, r.fit_score_count,
    r.engagement_score_count, r.total_score_count, r.high_intent_leads, r.high_budget_leads,
    r.urgent_leads, r.cta_pricing_clicks, r.cta_demo_clicks, r.cta_followup_clicks,
    r.cta_sample_clicks, r.cta_human_escalations, r.leads_with_cta, r.talk_seconds,
    r.credits_micros, r.cost_micros, r.intent_score_sum, r.urgency_score_sum,
    r.budget_score_sum, r.fit_score_sum, r.engagement_score_sum, r.total_score_sum,
    r.fingerprint_hi, r.fingerprint_lo, r.duration_values, r.duration_counts,
    r.contact_ids
) IS DISTINCT FROM (
    EXCLUDED.total_calls, EXCLUDED.successful_calls, EXCLUDED.voicemail_calls, EXCLUDED.no_answer_calls,
    EXCLUDED.busy_calls, EXCLUDED.failed_outcome_calls, EXCLUDED.cancelled_calls, EXCLUDED.in_progress_calls,
    EXCLUDED.inbound_calls, EXCLUDED.outbound_calls, EXCLUDED.phone_calls, EXCLUDED.internet_calls,
    EXCLUDED.unknown_source_calls, EXCLUDED.total_duration_minutes, EXCLUDED.leads_generated, EXCLUDED.hot_leads,
    EXCLUDED.warm_leads, EXCLUDED.cold_leads, EXCLUDED.unqualified_leads, EXCLUDED.leads_with_company,
    EXCLUDED.intent_score_count, EXCLUDED.urgency_score_count, EXCLUDED.budget_score_count, EXCLUDED.fit_score_count,
    EXCLUDED.engagement_score_count, EXCLUDED.total_score_count, EXCLUDED.high_intent_leads, EXCLUDED.high_budget_leads,
    EXCLUDED.urgent_leads, EXCLUDED.cta_pricing_clicks, EXCLUDED.cta_demo_clicks, EXCLUDED.cta_followup_clicks,
    EXCLUDED.cta_sample_clicks, EXCLUDED.cta_human_escalations, EXCLUDED.leads_with_cta, EXCLUDED.talk_seconds,
    EXCLUDED.credits_micros, EXCLUDED.cost_micros, EXCLUDED.intent_score_sum, EXCLUDED.urgency_score_sum,
    EXCLUDED.budget_score_sum, EXCLUDED.fit_score_sum, EXCLUDED.engagement_score_sum, EXCLUDED.total_score_sum,
    EXCLUDED.fingerprint_hi, EXCLUDED.fingerprint_lo, EXCLUDED.duration_values, EXCLUDED.duration_counts,
    EXCLUDED.contact_ids
)
