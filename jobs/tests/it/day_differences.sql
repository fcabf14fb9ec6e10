-- Every column of the seed in the day rows of tenants (agent null) and agents against plain GROUP BY over calls, both ways.
WITH lines AS (
    SELECT c.*, l.total_score, l.quality, l.intent_score, l.budget_score, l.urgency_score, l.fit_score, l.engagement_score, l.id AS lead_id,
           l.cta_pricing_clicked::integer AS pricing, l.cta_demo_clicked::integer AS demo, l.cta_followup_clicked::integer AS followup,
           l.cta_sample_clicked::integer AS sample, l.cta_escalated_to_human::integer AS human,
           (c.started_at AT TIME ZONE u.timezone)::date AS day
    FROM users u JOIN calls c ON c.user_id = u.id
    LEFT JOIN lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
), truth AS (
    SELECT x.user_id, g.agent, x.day, count(*) AS total, count(*) FILTER (WHERE outcome = 'answered') AS answered,
           count(*) FILTER (WHERE outcome IN ('no_answer', 'busy', 'failed')) AS failed, sum(duration_minutes) AS minutes,
           round(sum(duration_minutes)::numeric / count(*), 2) AS average_minutes, count(lead_id) AS leads,
           count(*) FILTER (WHERE quality IN ('hot', 'warm')) AS qualified,
           round(100.0 * count(*) FILTER (WHERE quality IN ('hot', 'warm')) / nullif(count(lead_id), 0), 2) AS conversion,
           coalesce(sum(pricing), 0) AS pricing, coalesce(sum(demo), 0) AS demo, coalesce(sum(followup), 0) AS followup,
           coalesce(sum(sample), 0) AS sample, coalesce(sum(human), 0) AS human,
           coalesce(sum(pricing + demo + followup + sample + human), 0) AS cta,
           round(100.0 * count(*) FILTER (WHERE pricing + demo + followup + sample + human > 0) / nullif(count(lead_id), 0), 2) AS cta_rate,
           round(avg(engagement_score), 2) AS engagement, round(avg(intent_score), 2) AS intent, round(avg(urgency_score), 2) AS urgency,
           round(avg(budget_score), 2) AS budget, round(avg(fit_score), 2) AS fit, round(avg(total_score), 2) AS score,
           sum(credits_used) AS credits, round(sum(credits_used) / nullif(count(lead_id), 0), 2) AS cost_per_lead,
           round(100.0 * count(*) FILTER (WHERE outcome = 'answered') / count(*), 2) AS success_rate,
           round(100.0 * count(*) FILTER (WHERE outcome = 'answered') / nullif(count(*) FILTER (WHERE outcome <> 'in_progress'), 0), 2) AS answer_rate
    FROM lines x CROSS JOIN LATERAL (VALUES (NULL::uuid), (x.agent_id)) AS g (agent)
    GROUP BY 1, 2, 3
), stored AS (
    SELECT user_id, NULL::uuid AS agent, date, total_calls, successful_calls, failed_calls, total_duration_minutes, avg_duration_minutes,
           leads_generated, qualified_leads, conversion_rate, cta_pricing_clicks, cta_demo_clicks, cta_followup_clicks,
           cta_sample_clicks, cta_human_escalations, total_cta_interactions, cta_conversion_rate, avg_engagement_score,
           avg_intent_score, avg_urgency_score, avg_budget_score, avg_fit_score, avg_total_score, credits_used, cost_per_lead,
           success_rate, answer_rate
    FROM user_analytics WHERE grain = 'day'
    UNION ALL
    SELECT user_id, agent_id, date, total_calls, successful_calls, failed_calls, total_duration_minutes, avg_duration_minutes,
           leads_generated, qualified_leads, conversion_rate, cta_pricing_clicks, cta_demo_clicks, cta_followup_clicks,
           cta_sample_clicks, cta_human_escalations, total_cta_interactions, cta_conversion_rate, avg_engagement_score,
           avg_intent_score, avg_urgency_score, avg_budget_score, avg_fit_score, avg_total_score, credits_used, cost_per_lead,
           success_rate, answer_rate
    FROM agent_analytics WHERE grain = 'day'
)
SELECT 'calls say ' || to_jsonb(t)::text FROM (TABLE truth EXCEPT TABLE stored) t
UNION ALL
SELECT 'rows say ' || to_jsonb(s)::text FROM (TABLE stored EXCEPT TABLE truth) s
UNION ALL
SELECT 'the view says ' || to_jsonb(v)::text FROM (
    SELECT user_id, date, total_calls, successful_calls, failed_calls, total_duration_minutes, leads_generated, qualified_leads,
           credits_used, avg_engagement_score, avg_intent_score FROM user_daily_analytics
    EXCEPT
    SELECT user_id, day, total, answered, failed, minutes, leads, qualified, credits, engagement, intent FROM truth WHERE agent IS NULL
) v
