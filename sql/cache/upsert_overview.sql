-- Builds a tenant's overview from its day rows in one snapshot and stores it, unless a newer one is there; returns nothing.
-- $1 tenant, $2 seconds until it expires, at the tenant's midnight at the latest. Windows: the last 30 local days with today, and the 30 before them.
INSERT INTO public.dashboard_cache AS c (user_id, cache_key, cache_data, generation, expires_at)
SELECT u.id, 'overview',
       jsonb_build_object(
           'kpis', jsonb_build_array(
               jsonb_build_object('label', 'Total Unique Leads', 'value', w.leads, 'delta', w.leads - w.leads_before,
                   'compare', 'vs previous 30 days', 'description', 'Calls with an individual analysis'),
               jsonb_build_object('label', 'Total Interactions', 'value', w.calls, 'delta', w.calls - w.calls_before,
                   'compare', 'vs previous 30 days', 'description', 'All calls, whatever became of them'),
               jsonb_build_object('label', 'Leads Converted', 'value', w.qualified, 'delta', w.qualified - w.qualified_before,
                   'percentage', round(100.0 * w.qualified / nullif(w.leads, 0), 2),
                   'compare', 'vs previous 30 days', 'description', 'Hot and warm leads'),
               jsonb_build_object('label', 'Avg. Conversations per Hour',
                   'value', round(h.conversations::numeric / nullif(h.hours, 0), 1),
                   'delta', round(h.conversations::numeric / nullif(h.hours, 0) - h.conversations_before::numeric / nullif(h.hours_before, 0), 1),
                   'compare', 'vs previous 30 days', 'description', 'Answered calls in an hour with any call'),
               jsonb_build_object('label', 'Avg. Lead Score', 'value', round(w.score_sum / nullif(w.score_count, 0), 1),
                   'delta', round(w.score_sum / nullif(w.score_count, 0) - w.score_sum_before / nullif(w.score_count_before, 0), 1),
                   'compare', 'vs previous 30 days', 'description', 'Mean total score, on the tenant''s scale'),
               jsonb_build_object('label', 'Call Success Rate', 'value', round(100.0 * w.answered / nullif(w.calls, 0), 2),
                   'delta', round(100.0 * w.answered / nullif(w.calls, 0) - 100.0 * w.answered_before / nullif(w.calls_before, 0), 2),
                   'compare', 'vs previous 30 days', 'description', 'Answered calls of all calls, percent')),
           'credits', jsonb_build_object('current', u.credits, 'used', w.credits),
           'agents', jsonb_build_object('total', a.total, 'active', a.active, 'draft', a.total - a.active),
           'conversations', jsonb_build_object('total', w.calls, 'answered', w.answered,
               'successRate', round(100.0 * w.answered / nullif(w.calls, 0), 2)),
           'leads', jsonb_build_object('total', w.leads, 'qualified', w.qualified,
               'conversionRate', round(100.0 * w.qualified / nullif(w.leads, 0), 2), 'withCompany', w.with_company),
           'ctaMetrics', jsonb_build_object('pricingClicks', w.cta_pricing, 'demoRequests', w.cta_demo,
               'followupRequests', w.cta_followup, 'sampleRequests', w.cta_sample, 'humanEscalations', w.cta_human),
           'recentActivity', r.activity,
           'userTimezone', u.timezone,
           'windowStart', t.today - 29, 'windowEnd', t.today, 'calculatedAt', now()),
       g.generation,
       least(now() + make_interval(secs => $2), t.day_end)
FROM public.users u
JOIN LATERAL (
    SELECT k.date AS today, k.bucket_end AS day_end
    FROM tally.calendar k
    WHERE k.zone = u.timezone AND k.grain = 'day' AND k.bucket_start <= now()
    ORDER BY k.bucket_start DESC
    LIMIT 1
) t ON t.day_end > now()
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.total_calls) FILTER (WHERE now_window), 0) AS calls,
           coalesce(sum(d.total_calls) FILTER (WHERE NOT now_window), 0) AS calls_before,
           coalesce(sum(d.successful_calls) FILTER (WHERE now_window), 0) AS answered,
           coalesce(sum(d.successful_calls) FILTER (WHERE NOT now_window), 0) AS answered_before,
           coalesce(sum(d.leads_generated) FILTER (WHERE now_window), 0) AS leads,
           coalesce(sum(d.leads_generated) FILTER (WHERE NOT now_window), 0) AS leads_before,
           coalesce(sum(d.qualified_leads) FILTER (WHERE now_window), 0) AS qualified,
           coalesce(sum(d.qualified_leads) FILTER (WHERE NOT now_window), 0) AS qualified_before,
           coalesce(sum(d.leads_with_company) FILTER (WHERE now_window), 0) AS with_company,
           coalesce(sum(d.credits_used) FILTER (WHERE now_window), 0) AS credits,
           sum(d.total_score_sum) FILTER (WHERE now_window) AS score_sum,
           sum(d.total_score_count) FILTER (WHERE now_window) AS score_count,
           sum(d.total_score_sum) FILTER (WHERE NOT now_window) AS score_sum_before,
           sum(d.total_score_count) FILTER (WHERE NOT now_window) AS score_count_before,
           coalesce(sum(d.cta_pricing_clicks) FILTER (WHERE now_window), 0) AS cta_pricing,
           coalesce(sum(d.cta_demo_clicks) FILTER (WHERE now_window), 0) AS cta_demo,
           coalesce(sum(d.cta_followup_clicks) FILTER (WHERE now_window), 0) AS cta_followup,
           coalesce(sum(d.cta_sample_clicks) FILTER (WHERE now_window), 0) AS cta_sample,
           coalesce(sum(d.cta_human_escalations) FILTER (WHERE now_window), 0) AS cta_human
    FROM (
        SELECT x.*, x.date > t.today - 30 AS now_window
        FROM public.user_analytics x
        WHERE x.user_id = u.id AND x.grain = 'day' AND x.zone = u.timezone AND x.bucket_start >= now() - interval '62 days' AND x.date > t.today - 60 AND x.date <= t.today
    ) d
) w
CROSS JOIN LATERAL (
    SELECT sum(x.successful_calls) FILTER (WHERE x.date > t.today - 30) AS conversations,
           count(*) FILTER (WHERE x.date > t.today - 30) AS hours,
           sum(x.successful_calls) FILTER (WHERE x.date <= t.today - 30) AS conversations_before,
           count(*) FILTER (WHERE x.date <= t.today - 30) AS hours_before
    FROM public.user_analytics x
    WHERE x.user_id = u.id AND x.grain = 'hour' AND x.zone = u.timezone AND x.bucket_start >= now() - interval '62 days' AND x.date > t.today - 60 AND x.date <= t.today
) h
CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE x.is_active) AS active FROM public.agents x WHERE x.user_id = u.id
) a
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', y.id, 'type', 'call', 'outcome', y.outcome, 'timestamp', y.started_at,
               'agentName', y.agent_name, 'durationSeconds', y.duration_seconds) ORDER BY y.started_at DESC), '[]') AS activity
    FROM (
        SELECT k.id, k.outcome, k.started_at, k.duration_seconds, n.name AS agent_name
        FROM public.calls k
        JOIN public.agents n ON n.user_id = k.user_id AND n.id = k.agent_id
        WHERE k.user_id = u.id
        ORDER BY k.started_at DESC
        LIMIT 5
    ) y
) r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(b.generation), 0)::bigint AS generation
    FROM tally.rollup_buckets b WHERE b.user_id = u.id AND b.tier IN (2, 3)
) g
WHERE u.id = $1
ON CONFLICT (user_id, cache_key) DO UPDATE SET
    cache_data = EXCLUDED.cache_data, generation = EXCLUDED.generation, expires_at = EXCLUDED.expires_at
-- One that has expired may go whatever it was built from.
WHERE (c.generation, c.expires_at) <= (EXCLUDED.generation, EXCLUDED.expires_at) OR c.expires_at <= now()
