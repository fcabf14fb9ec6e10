-- Builds a tenant's daily, weekly (ISO, Monday) and monthly figures from its day rows, for the periods whose days have been
-- recomputed since; an older result never overwrites a newer one. Percentiles by the rule of tally.percentile, and contacts
-- that were in any of the days, from the days' histograms and sets. $1 tenant.
WITH due AS MATERIALIZED (
    SELECT p.period_type, p.date_period, d.zone, sum(d.generation)::bigint AS generation,
           array_agg(d.bucket_start) AS day_starts
    FROM (
        SELECT b.bucket_start, b.generation, u.timezone AS zone, k.date
        FROM public.users u
        JOIN tally.rollup_buckets b ON b.user_id = u.id AND b.tier = 2
        JOIN tally.calendar k ON k.zone = u.timezone AND k.grain = 'day' AND k.bucket_start = b.bucket_start
        WHERE u.id = $1
    ) d
    CROSS JOIN LATERAL (VALUES
        ('daily', d.date),
        ('weekly', date_trunc('week', d.date::timestamp)::date),
        ('monthly', date_trunc('month', d.date::timestamp)::date)
    ) AS p (period_type, date_period)
    GROUP BY p.period_type, p.date_period, d.zone
    HAVING NOT EXISTS (
        SELECT FROM public.call_analytics_cache x
        WHERE x.user_id = $1 AND x.period_type = p.period_type AND x.date_period = p.date_period
          AND x.generation >= sum(d.generation)
    )
)
INSERT INTO public.call_analytics_cache AS c (
    user_id, date_period, period_type, zone, generation, total_calls, successful_calls, failed_calls, missed_calls,
    total_call_duration, hot_leads, warm_leads, cold_leads, unqualified_leads, total_leads, average_lead_score, pricing_clicks,
    demo_requests, followup_requests, sample_requests, human_escalations, high_intent_leads, high_budget_leads, urgent_leads,
    inbound_calls, outbound_calls, voicemail_calls, no_answer_calls, busy_calls, failed_outcome_calls, cancelled_calls,
    in_progress_calls, phone_calls, internet_calls, unknown_source_calls, talk_seconds, credits_micros, cost_micros,
    p50_duration_seconds, p95_duration_seconds, distinct_contacts, calculated_at)
SELECT $1, d.date_period, d.period_type, d.zone, d.generation, s.total_calls, s.successful_calls, s.failed_calls, s.missed_calls,
       s.total_call_duration, s.hot_leads, s.warm_leads, s.cold_leads, s.unqualified_leads, s.total_leads, s.average_lead_score,
       s.pricing_clicks, s.demo_requests, s.followup_requests, s.sample_requests, s.human_escalations, s.high_intent_leads,
       s.high_budget_leads, s.urgent_leads, s.inbound_calls, s.outbound_calls, s.voicemail_calls, s.no_answer_calls,
       s.busy_calls, s.failed_outcome_calls, s.cancelled_calls, s.in_progress_calls, s.phone_calls, s.internet_calls,
       s.unknown_source_calls, s.talk_seconds, s.credits_micros, s.cost_micros, p.p50, p.p95, k.contacts, now()
FROM due d
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.total_calls), 0) AS total_calls, coalesce(sum(r.successful_calls), 0) AS successful_calls,
           coalesce(sum(r.failed_calls), 0) AS failed_calls, coalesce(sum(r.missed_calls), 0) AS missed_calls,
           coalesce(sum(r.total_duration_minutes), 0) AS total_call_duration, coalesce(sum(r.hot_leads), 0) AS hot_leads,
           coalesce(sum(r.warm_leads), 0) AS warm_leads, coalesce(sum(r.cold_leads), 0) AS cold_leads,
           coalesce(sum(r.unqualified_leads), 0) AS unqualified_leads, coalesce(sum(r.leads_generated), 0) AS total_leads,
           round(sum(r.total_score_sum) / nullif(sum(r.total_score_count), 0), 2) AS average_lead_score,
           coalesce(sum(r.cta_pricing_clicks), 0) AS pricing_clicks, coalesce(sum(r.cta_demo_clicks), 0) AS demo_requests,
           coalesce(sum(r.cta_followup_clicks), 0) AS followup_requests,
           coalesce(sum(r.cta_sample_clicks), 0) AS sample_requests,
           coalesce(sum(r.cta_human_escalations), 0) AS human_escalations,
           coalesce(sum(r.high_intent_leads), 0) AS high_intent_leads,
           coalesce(sum(r.high_budget_leads), 0) AS high_budget_leads, coalesce(sum(r.urgent_leads), 0) AS urgent_leads,
           coalesce(sum(r.inbound_calls), 0) AS inbound_calls, coalesce(sum(r.outbound_calls), 0) AS outbound_calls,
           coalesce(sum(r.voicemail_calls), 0) AS voicemail_calls, coalesce(sum(r.no_answer_calls), 0) AS no_answer_calls,
           coalesce(sum(r.busy_calls), 0) AS busy_calls, coalesce(sum(r.failed_outcome_calls), 0) AS failed_outcome_calls,
           coalesce(sum(r.cancelled_calls), 0) AS cancelled_calls, coalesce(sum(r.in_progress_calls), 0) AS in_progress_calls,
           coalesce(sum(r.phone_calls), 0) AS phone_calls, coalesce(sum(r.internet_calls), 0) AS internet_calls,
           coalesce(sum(r.unknown_source_calls), 0) AS unknown_source_calls, coalesce(sum(r.talk_seconds), 0) AS talk_seconds,
           coalesce(sum(r.credits_micros), 0) AS credits_micros, coalesce(sum(r.cost_micros), 0) AS cost_micros
    FROM public.user_analytics r
    WHERE r.user_id = $1 AND r.grain = 'day' AND r.zone = d.zone AND r.bucket_start = ANY (d.day_starts)
) s
CROSS JOIN LATERAL (
    SELECT min(h.v) FILTER (WHERE h.upto >= ceil(0.50 * h.total)) AS p50, min(h.v) FILTER (WHERE h.upto >= ceil(0.95 * h.total)) AS p95
    FROM (
        SELECT t.v, sum(sum(t.n)) OVER (ORDER BY t.v) AS upto, sum(sum(t.n)) OVER () AS total
        FROM public.user_analytics r
        CROSS JOIN LATERAL unnest(r.duration_values, r.duration_counts) AS t (v, n)
        WHERE r.user_id = $1 AND r.grain = 'day' AND r.zone = d.zone AND r.bucket_start = ANY (d.day_starts)
        GROUP BY t.v
    ) h
) p
CROSS JOIN LATERAL (
    SELECT count(DISTINCT t.contact_id) AS contacts
    FROM public.user_analytics r
    CROSS JOIN LATERAL unnest(r.contact_ids) AS t (contact_id)
    WHERE r.user_id = $1 AND r.grain = 'day' AND r.zone = d.zone AND r.bucket_start = ANY (d.day_starts)
) k
ON CONFLICT (user_id, period_type, date_period) DO UPDATE SET (
    zone, generation, total_calls, successful_calls, failed_calls, missed_calls, total_call_duration, hot_leads, warm_leads,
    cold_leads, unqualified_leads, total_leads, average_lead_score, pricing_clicks, demo_requests, followup_requests,
    sample_requests, human_escalations, high_intent_leads, high_budget_leads, urgent_leads, inbound_calls, outbound_calls,
    voicemail_calls, no_answer_calls, busy_calls, failed_outcome_calls, cancelled_calls, in_progress_calls, phone_calls,
    internet_calls, unknown_source_calls, talk_seconds, credits_micros, cost_micros, p50_duration_seconds,
    p95_duration_seconds, distinct_contacts, calculated_at
) = (
    EXCLUDED.zone, EXCLUDED.generation, EXCLUDED.total_calls, EXCLUDED.successful_calls, EXCLUDED.failed_calls,
    EXCLUDED.missed_calls, EXCLUDED.total_call_duration, EXCLUDED.hot_leads, EXCLUDED.warm_leads, EXCLUDED.cold_leads,
    EXCLUDED.unqualified_leads, EXCLUDED.total_leads, EXCLUDED.average_lead_score, EXCLUDED.pricing_clicks,
    EXCLUDED.demo_requests, EXCLUDED.followup_requests, EXCLUDED.sample_requests, EXCLUDED.human_escalations,
    EXCLUDED.high_intent_leads, EXCLUDED.high_budget_leads, EXCLUDED.urgent_leads, EXCLUDED.inbound_calls,
    EXCLUDED.outbound_calls, EXCLUDED.voicemail_calls, EXCLUDED.no_answer_calls, EXCLUDED.busy_calls,
    EXCLUDED.failed_outcome_calls, EXCLUDED.cancelled_calls, EXCLUDED.in_progress_calls, EXCLUDED.phone_calls,
    EXCLUDED.internet_calls, EXCLUDED.unknown_source_calls, EXCLUDED.talk_seconds, EXCLUDED.credits_micros,
    EXCLUDED.cost_micros, EXCLUDED.p50_duration_seconds, EXCLUDED.p95_duration_seconds, EXCLUDED.distinct_contacts,
    EXCLUDED.calculated_at
)
WHERE c.generation < EXCLUDED.generation
