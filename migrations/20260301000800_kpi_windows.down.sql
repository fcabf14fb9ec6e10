DROP VIEW public.my_kpi_summary;
DROP MATERIALIZED VIEW public.user_kpi_summary;

CREATE MATERIALIZED VIEW public.user_kpi_summary AS
SELECT u.id AS user_id, u.email, u.name, u.credits, u.is_active, u.created_at AS user_created_at,
       m.total_calls_30d, m.successful_calls_30d, m.failed_calls_30d,
       round(100.0 * m.successful_calls_30d / nullif(m.total_calls_30d, 0), 2) AS success_rate_30d,
       m.total_duration_30d,
       round(m.total_duration_30d::numeric / nullif(m.total_calls_30d, 0), 2) AS avg_duration_30d,
       m.total_credits_used_30d, m.total_leads_30d, m.qualified_leads_30d,
       round(100.0 * m.qualified_leads_30d / nullif(m.total_leads_30d, 0), 2) AS conversion_rate_30d,
       m.avg_lead_score_30d, m.avg_intent_score_30d, m.avg_engagement_score_30d,
       a.total_agents, a.active_agents, a.draft_agents,
       round(h.successful_calls::numeric / nullif(h.active_hours, 0), 2) AS avg_conversations_per_hour_30d,
       b.agent_id AS best_performing_agent_id, b.agent_name AS best_performing_agent_name,
       b.success_rate AS best_agent_success_rate,
       m.calls_last_7d, m.leads_last_7d, m.credits_used_last_7d,
       f.total_calls_lifetime, f.total_leads_lifetime, f.total_credits_used_lifetime,
       now() AS calculated_at, now() + interval '1 hour' AS expires_at
FROM public.users u
CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE u.timezone)::date AS today) t
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.total_calls) FILTER (WHERE recent), 0) AS total_calls_30d,
           coalesce(sum(d.successful_calls) FILTER (WHERE recent), 0) AS successful_calls_30d,
           coalesce(sum(d.failed_calls + d.cancelled_calls) FILTER (WHERE recent), 0) AS failed_calls_30d,
           coalesce(sum(d.total_duration_minutes) FILTER (WHERE recent), 0) AS total_duration_30d,
           coalesce(sum(d.credits_used) FILTER (WHERE recent), 0) AS total_credits_used_30d,
           coalesce(sum(d.leads_generated) FILTER (WHERE recent), 0) AS total_leads_30d,
           coalesce(sum(d.qualified_leads) FILTER (WHERE recent), 0) AS qualified_leads_30d,
           round(sum(d.total_score_sum) FILTER (WHERE recent) / nullif(sum(d.total_score_count) FILTER (WHERE recent), 0), 2) AS avg_lead_score_30d,
           round(sum(d.intent_score_sum) FILTER (WHERE recent) / nullif(sum(d.intent_score_count) FILTER (WHERE recent), 0), 2) AS avg_intent_score_30d,
           round(sum(d.engagement_score_sum) FILTER (WHERE recent) / nullif(sum(d.engagement_score_count) FILTER (WHERE recent), 0), 2) AS avg_engagement_score_30d,
           coalesce(sum(d.total_calls) FILTER (WHERE this_week), 0) AS calls_last_7d,
           coalesce(sum(d.leads_generated) FILTER (WHERE this_week), 0) AS leads_last_7d,
           coalesce(sum(d.credits_used) FILTER (WHERE this_week), 0) AS credits_used_last_7d
    FROM (
        SELECT r.*, r.date <= t.today AS recent, r.date > t.today - 7 AND r.date <= t.today AS this_week
        FROM public.user_analytics r
        WHERE r.user_id = u.id AND r.grain = 'day' AND r.bucket_start >= now() - interval '32 days' AND r.date > t.today - 30
    ) d
) m
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.total_calls), 0) AS total_calls_lifetime, coalesce(sum(r.leads_generated), 0) AS total_leads_lifetime,
           coalesce(sum(r.credits_used), 0) AS total_credits_used_lifetime
    FROM public.user_analytics r WHERE r.user_id = u.id AND r.grain = 'month'
) f
CROSS JOIN LATERAL (
    SELECT count(*) AS total_agents, count(*) FILTER (WHERE g.is_active) AS active_agents,
           count(*) FILTER (WHERE NOT g.is_active) AS draft_agents
    FROM public.agents g WHERE g.user_id = u.id
) a
CROSS JOIN LATERAL (
    SELECT sum(r.successful_calls) AS successful_calls, count(*) AS active_hours
    FROM public.user_analytics r
    WHERE r.user_id = u.id AND r.grain = 'hour' AND r.date > t.today - 30 AND r.date <= t.today
) h
-- At least ten calls: one answered call of one is no performance.
LEFT JOIN LATERAL (
    SELECT r.agent_id, g.name AS agent_name, round(100.0 * sum(r.successful_calls) / sum(r.total_calls), 2) AS success_rate
    FROM public.agent_analytics r
    JOIN public.agents g ON g.user_id = r.user_id AND g.id = r.agent_id
    WHERE r.user_id = u.id AND r.grain = 'day' AND r.date > t.today - 30 AND r.date <= t.today
    GROUP BY r.agent_id, g.name
    HAVING sum(r.total_calls) >= 10
    ORDER BY sum(r.successful_calls)::numeric / sum(r.total_calls) DESC, sum(r.total_calls) DESC, r.agent_id
    LIMIT 1
) b ON true
WHERE u.is_active;
CREATE UNIQUE INDEX user_kpi_summary_user_key ON public.user_kpi_summary (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.user_kpi_summary TO tallyline_worker;

-- Owned by the owner of the view, so that a worker may refresh what it may not own.
CREATE OR REPLACE FUNCTION tally.refresh_kpi_summary() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.user_kpi_summary;
    INSERT INTO public.system_config AS c (config_key, config_value, description)
    VALUES ('last_kpi_refresh', extract(epoch FROM clock_timestamp())::bigint::text, 'When user_kpi_summary was last refreshed, in epoch seconds.')
    ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value;
    RETURN clock_timestamp();
END $$;

-- A materialized view knows no row-level security, so a tenant reads its row through this.
CREATE VIEW public.my_kpi_summary WITH (security_barrier = true) AS
SELECT * FROM public.user_kpi_summary WHERE user_id = public.current_tenant();
GRANT SELECT ON public.my_kpi_summary TO tallyline_api;
