-- Recomputes the locked quarters from calls; returns nothing. Rows that did not change are not rewritten.
-- $1 tenants, $2 bucket starts, $3 generations, in parallel arrays.
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
SELECT b.user_id, b.bucket_start, k.agent_id, b.generation,
       k.total_calls, k.successful_calls, k.voicemail_calls, k.no_answer_calls,
       k.busy_calls, k.failed_outcome_calls, k.cancelled_calls, k.in_progress_calls,
       k.inbound_calls, k.outbound_calls, k.phone_calls, k.internet_calls,
       k.unknown_source_calls, k.total_duration_minutes, k.leads_generated, k.hot_leads,
       k.warm_leads, k.cold_leads, k.unqualified_leads, k.leads_with_company,
       k.intent_score_count, k.urgency_score_count, k.budget_score_count, k.fit_score_count,
       k.engagement_score_count, k.total_score_count, k.high_intent_leads, k.high_budget_leads,
       k.urgent_leads, k.cta_pricing_clicks, k.cta_demo_clicks, k.cta_followup_clicks,
       k.cta_sample_clicks, k.cta_human_escalations, k.leads_with_cta, k.talk_seconds,
       k.credits_micros, k.cost_micros, k.intent_score_sum, k.urgency_score_sum,
       k.budget_score_sum, k.fit_score_sum, k.engagement_score_sum, k.total_score_sum,
       k.fingerprint_hi, k.fingerprint_lo,
       k.duration_values, k.duration_counts, k.contact_ids
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS b (user_id, bucket_start, generation)
CROSS JOIN LATERAL tally.count_calls(b.user_id, b.bucket_start, b.bucket_start + interval '15 minutes') k
WHERE b.bucket_start >= tally.frozen_before(b.user_id)
ORDER BY b.user_id, b.bucket_start, k.agent_id
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
