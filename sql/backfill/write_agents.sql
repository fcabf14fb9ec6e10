-- Puts the staged rows of the written hours and days into public.agent_analytics; returns nothing. Rows that did not change are not rewritten.
-- $1 grains, $2 bucket starts, $3 generations, in parallel arrays.
INSERT INTO public.agent_analytics AS a (
    user_id, agent_id, grain, bucket_start, bucket_end, zone, date, hour, generation, updated_at,
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
    s.user_id, s.agent_id, s.grain, s.bucket_start, s.bucket_end, s.zone, s.date, s.hour, b.generation, now(),
    s.total_calls, s.successful_calls, s.voicemail_calls, s.no_answer_calls, s.busy_calls, s.failed_outcome_calls,
    s.cancelled_calls, s.in_progress_calls, s.inbound_calls, s.outbound_calls, s.phone_calls, s.internet_calls,
    s.unknown_source_calls, s.total_duration_minutes, s.leads_generated, s.hot_leads, s.warm_leads, s.cold_leads,
    s.unqualified_leads, s.leads_with_company, s.intent_score_count, s.urgency_score_count, s.budget_score_count,
    s.fit_score_count, s.engagement_score_count, s.total_score_count, s.high_intent_leads, s.high_budget_leads,
    s.urgent_leads, s.cta_pricing_clicks, s.cta_demo_clicks, s.cta_followup_clicks, s.cta_sample_clicks,
    s.cta_human_escalations, s.leads_with_cta, s.talk_seconds, s.credits_micros, s.cost_micros, s.intent_score_sum,
    s.urgency_score_sum, s.budget_score_sum, s.fit_score_sum, s.engagement_score_sum, s.total_score_sum,
    s.fingerprint_hi, s.fingerprint_lo, s.duration_values, s.duration_counts, s.contact_ids
FROM pg_temp.stage_agents s
JOIN unnest($1::text[], $2::timestamptz[], $3::bigint[]) AS b (grain, bucket_start, generation)
  ON b.grain = s.grain AND b.bucket_start = s.bucket_start
ORDER BY s.user_id, s.agent_id, s.grain, s.bucket_start
ON CONFLICT (user_id, agent_id, grain, bucket_start) DO UPDATE SET (
    generation, updated_at,
    bucket_end, zone, date, hour,
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
    EXCLUDED.generation, EXCLUDED.updated_at,
    EXCLUDED.bucket_end, EXCLUDED.zone, EXCLUDED.date, EXCLUDED.hour,
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
    a.bucket_end, a.zone, a.date, a.hour,
    a.total_calls, a.successful_calls, a.voicemail_calls, a.no_answer_calls,
    a.busy_calls, a.failed_outcome_calls, a.cancelled_calls, a.in_progress_calls,
    a.inbound_calls, a.outbound_calls, a.phone_calls, a.internet_calls,
    a.unknown_source_calls, a.total_duration_minutes, a.leads_generated, a.hot_leads,
    a.warm_leads, a.cold_leads, a.unqualified_leads, a.leads_with_company,
    a.intent_score_count, a.urgency_score_count, a.budget_score_count, a.fit_score_count,
    a.engagement_score_count, a.total_score_count, a.high_intent_leads, a.high_budget_leads,
    a.urgent_leads, a.cta_pricing_clicks, a.cta_demo_clicks, a.cta_followup_clicks,
    a.cta_sample_clicks, a.cta_human_escalations, a.leads_with_cta, a.talk_seconds,
    a.credits_micros, a.cost_micros, a.intent_score_sum, a.urgency_score_sum,
    a.budget_score_sum, a.fit_score_sum, a.engagement_score_sum, a.total_score_sum,
    a.fingerprint_hi, a.fingerprint_lo, a.duration_values, a.duration_counts,
    a.contact_ids
) IS DISTINCT FROM (
    EXCLUDED.bucket_end, EXCLUDED.zone, EXCLUDED.date, EXCLUDED.hour,
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
