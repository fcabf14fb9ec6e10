-- Builds a tenant's daily, weekly (ISO, Monday) and monthly figures from its day rows; periods whose days did not change
-- are not written, and an older result never overwrites a newer one. $1 tenant.
INSERT INTO public.call_analytics_cache AS c (
    user_id, date_period, period_type, zone, generation, total_calls, successful_calls, failed_calls, missed_calls,
    total_call_duration, hot_leads, warm_leads, cold_leads, unqualified_leads, total_leads, average_lead_score, pricing_clicks,
    demo_requests, followup_requests, sample_requests, human_escalations, high_intent_leads, high_budget_leads, urgent_leads,
    inbound_calls, outbound_calls, calculated_at)
SELECT $1, p.date_period, p.period_type, d.zone, sum(d.generation)::bigint,
       coalesce(sum(r.total_calls), 0), coalesce(sum(r.successful_calls), 0), coalesce(sum(r.failed_calls), 0),
       coalesce(sum(r.missed_calls), 0), coalesce(sum(r.total_duration_minutes), 0), coalesce(sum(r.hot_leads), 0),
       coalesce(sum(r.warm_leads), 0), coalesce(sum(r.cold_leads), 0), coalesce(sum(r.unqualified_leads), 0),
       coalesce(sum(r.leads_generated), 0), round(sum(r.total_score_sum) / nullif(sum(r.total_score_count), 0), 2),
       coalesce(sum(r.cta_pricing_clicks), 0), coalesce(sum(r.cta_demo_clicks), 0), coalesce(sum(r.cta_followup_clicks), 0),
       coalesce(sum(r.cta_sample_clicks), 0), coalesce(sum(r.cta_human_escalations), 0), coalesce(sum(r.high_intent_leads), 0),
       coalesce(sum(r.high_budget_leads), 0), coalesce(sum(r.urgent_leads), 0), coalesce(sum(r.inbound_calls), 0),
       coalesce(sum(r.outbound_calls), 0), now()
FROM (
    SELECT b.user_id, b.bucket_start, b.generation, u.timezone AS zone, k.date
    FROM public.users u
    JOIN tally.rollup_buckets b ON b.user_id = u.id AND b.tier = 2
    JOIN tally.calendar k ON k.zone = u.timezone AND k.grain = 'day' AND k.bucket_start = b.bucket_start
    WHERE u.id = $1
) d
LEFT JOIN public.user_analytics r ON r.user_id = d.user_id AND r.grain = 'day' AND r.bucket_start = d.bucket_start AND r.zone = d.zone
CROSS JOIN LATERAL (VALUES
    ('daily', d.date),
    ('weekly', date_trunc('week', d.date::timestamp)::date),
    ('monthly', date_trunc('month', d.date::timestamp)::date)
) AS p (period_type, date_period)
GROUP BY p.period_type, p.date_period, d.zone
ON CONFLICT (user_id, period_type, date_period) DO UPDATE SET (
    zone, generation, total_calls, successful_calls, failed_calls, missed_calls, total_call_duration, hot_leads, warm_leads,
    cold_leads, unqualified_leads, total_leads, average_lead_score, pricing_clicks, demo_requests, followup_requests,
    sample_requests, human_escalations, high_intent_leads, high_budget_leads, urgent_leads, inbound_calls, outbound_calls,
    calculated_at
) = (
    EXCLUDED.zone, EXCLUDED.generation, EXCLUDED.total_calls, EXCLUDED.successful_calls, EXCLUDED.failed_calls,
    EXCLUDED.missed_calls, EXCLUDED.total_call_duration, EXCLUDED.hot_leads, EXCLUDED.warm_leads, EXCLUDED.cold_leads,
    EXCLUDED.unqualified_leads, EXCLUDED.total_leads, EXCLUDED.average_lead_score, EXCLUDED.pricing_clicks,
    EXCLUDED.demo_requests, EXCLUDED.followup_requests, EXCLUDED.sample_requests, EXCLUDED.human_escalations,
    EXCLUDED.high_intent_leads, EXCLUDED.high_budget_leads, EXCLUDED.urgent_leads, EXCLUDED.inbound_calls,
    EXCLUDED.outbound_calls, EXCLUDED.calculated_at
)
WHERE c.generation < EXCLUDED.generation
