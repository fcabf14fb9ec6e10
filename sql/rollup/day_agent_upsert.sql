-- Recomputes the locked days of agent_analytics from tally.quarter_rollups; returns nothing. Rows that did not change are not rewritten.
-- $1 tenants, $2 starts, $3 ends, $4 zones, $5 local dates, $6 local hours, $7 generations, in parallel arrays.
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
SELECT g.user_id, g.agent_id, 'day', g.bucket_start, g.bucket_end, g.zone, g.date, g.hour, g.generation, now(),
    g.total_calls, g.successful_calls, g.voicemail_calls, g.no_answer_calls,
    g.busy_calls, g.failed_outcome_calls, g.cancelled_calls, g.in_progress_calls,
    g.inbound_calls, g.outbound_calls, g.phone_calls, g.internet_calls,
    g.unknown_source_calls, g.total_duration_minutes, g.leads_generated, g.hot_leads,
    g.warm_leads, g.cold_leads, g.unqualified_leads, g.leads_with_company,
    g.intent_score_count, g.urgency_score_count, g.budget_score_count, g.fit_score_count,
    g.engagement_score_count, g.total_score_count, g.high_intent_leads, g.high_budget_leads,
    g.urgent_leads, g.cta_pricing_clicks, g.cta_demo_clicks, g.cta_followup_clicks,
    g.cta_sample_clicks, g.cta_human_escalations, g.leads_with_cta, g.talk_seconds,
    g.credits_micros, g.cost_micros, g.intent_score_sum, g.urgency_score_sum,
    g.budget_score_sum, g.fit_score_sum, g.engagement_score_sum, g.total_score_sum,
    g.fingerprint_hi, g.fingerprint_lo,
       h.duration_values, h.duration_counts, k.contact_ids
FROM (
    SELECT b.user_id, s.agent_id, b.bucket_start, b.bucket_end, b.zone, b.date, b.hour, b.generation,
           sum(s.total_calls) AS total_calls,
           sum(s.successful_calls) AS successful_calls,
           sum(s.voicemail_calls) AS voicemail_calls,
           sum(s.no_answer_calls) AS no_answer_calls,
           sum(s.busy_calls) AS busy_calls,
           sum(s.failed_outcome_calls) AS failed_outcome_calls,
           sum(s.cancelled_calls) AS cancelled_calls,
           sum(s.in_progress_calls) AS in_progress_calls,
           sum(s.inbound_calls) AS inbound_calls,
           sum(s.outbound_calls) AS outbound_calls,
           sum(s.phone_calls) AS phone_calls,
           sum(s.internet_calls) AS internet_calls,
           sum(s.unknown_source_calls) AS unknown_source_calls,
           sum(s.total_duration_minutes) AS total_duration_minutes,
           sum(s.leads_generated) AS leads_generated,
           sum(s.hot_leads) AS hot_leads,
           sum(s.warm_leads) AS warm_leads,
           sum(s.cold_leads) AS cold_leads,
           sum(s.unqualified_leads) AS unqualified_leads,
           sum(s.leads_with_company) AS leads_with_company,
           sum(s.intent_score_count) AS intent_score_count,
           sum(s.urgency_score_count) AS urgency_score_count,
           sum(s.budget_score_count) AS budget_score_count,
           sum(s.fit_score_count) AS fit_score_count,
           sum(s.engagement_score_count) AS engagement_score_count,
           sum(s.total_score_count) AS total_score_count,
           sum(s.high_intent_leads) AS high_intent_leads,
           sum(s.high_budget_leads) AS high_budget_leads,
           sum(s.urgent_leads) AS urgent_leads,
           sum(s.cta_pricing_clicks) AS cta_pricing_clicks,
           sum(s.cta_demo_clicks) AS cta_demo_clicks,
           sum(s.cta_followup_clicks) AS cta_followup_clicks,
           sum(s.cta_sample_clicks) AS cta_sample_clicks,
           sum(s.cta_human_escalations) AS cta_human_escalations,
           sum(s.leads_with_cta) AS leads_with_cta,
           sum(s.talk_seconds) AS talk_seconds,
           sum(s.credits_micros) AS credits_micros,
           sum(s.cost_micros) AS cost_micros,
           sum(s.intent_score_sum) AS intent_score_sum,
           sum(s.urgency_score_sum) AS urgency_score_sum,
           sum(s.budget_score_sum) AS budget_score_sum,
           sum(s.fit_score_sum) AS fit_score_sum,
           sum(s.engagement_score_sum) AS engagement_score_sum,
           sum(s.total_score_sum) AS total_score_sum,
           sum(s.fingerprint_hi) AS fingerprint_hi,
           sum(s.fingerprint_lo) AS fingerprint_lo
    FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::date[], $6::integer[], $7::bigint[])
         AS b (user_id, bucket_start, bucket_end, zone, date, hour, generation)
    JOIN tally.quarter_rollups s ON s.user_id = b.user_id AND s.bucket_start >= b.bucket_start AND s.bucket_start < b.bucket_end
    GROUP BY b.user_id, s.agent_id, b.bucket_start, b.bucket_end, b.zone, b.date, b.hour, b.generation
) g
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(v ORDER BY v), '{}') AS duration_values,
           coalesce(array_agg(n ORDER BY v), '{}') AS duration_counts
    FROM (
        SELECT d.v, sum(d.n)::integer AS n
        FROM tally.quarter_rollups s CROSS JOIN LATERAL unnest(s.duration_values, s.duration_counts) AS d (v, n)
        WHERE s.user_id = g.user_id AND s.agent_id = g.agent_id AND s.bucket_start >= g.bucket_start AND s.bucket_start < g.bucket_end
        GROUP BY d.v
    ) counted
) h
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT c.id ORDER BY c.id), '{}') AS contact_ids
    FROM tally.quarter_rollups s CROSS JOIN LATERAL unnest(s.contact_ids) AS c (id)
    WHERE s.user_id = g.user_id AND s.agent_id = g.agent_id AND s.bucket_start >= g.bucket_start AND s.bucket_start < g.bucket_end
) k
ORDER BY g.user_id, g.agent_id, g.bucket_start
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
