-- Cached periods against plain GROUP BY over calls, both ways; nothing when they are equal.
WITH lines AS (
    SELECT c.*, l.total_score, l.quality, l.intent_score, l.budget_score, l.urgency_score, l.id AS lead_id, l.cta_pricing_clicked AS pricing,
           l.cta_demo_clicked AS demo, l.cta_followup_clicked AS followup, l.cta_sample_clicked AS sample, l.cta_escalated_to_human AS human,
           l.dimension_scale, (c.started_at AT TIME ZONE u.timezone)::date AS day
    FROM users u JOIN calls c ON c.user_id = u.id
    LEFT JOIN lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
), truth AS (
    SELECT x.user_id, p.period_type, p.date_period, count(*) AS total, count(*) FILTER (WHERE outcome = 'answered') AS answered,
           count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE outcome IN ('no_answer', 'busy')) AS missed,
           count(*) FILTER (WHERE outcome = 'voicemail') AS voicemail, count(*) FILTER (WHERE outcome = 'no_answer') AS no_answer,
           count(*) FILTER (WHERE outcome = 'busy') AS busy, count(*) FILTER (WHERE outcome = 'failed') AS failed_outcome,
           count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled, count(*) FILTER (WHERE outcome = 'in_progress') AS in_progress,
           count(*) FILTER (WHERE call_source = 'phone') AS phone, count(*) FILTER (WHERE call_source = 'internet') AS internet,
           count(*) FILTER (WHERE call_source = 'unknown') AS unknown, count(*) FILTER (WHERE lead_type = 'inbound') AS inbound,
           count(*) FILTER (WHERE lead_type = 'outbound') AS outbound,
           round(100.0 * count(*) FILTER (WHERE outcome = 'answered') / count(*), 2) AS connection_rate,
           sum(duration_minutes) AS minutes, round(avg(duration_minutes) FILTER (WHERE status = 'completed'), 2) AS average_minutes,
           sum(duration_seconds) AS seconds, sum(credits_micros) AS credits, sum(cost_micros) AS cost, count(lead_id) AS leads,
           count(*) FILTER (WHERE quality = 'hot') AS hot, count(*) FILTER (WHERE quality = 'warm') AS warm,
           count(*) FILTER (WHERE quality = 'cold') AS cold, count(*) FILTER (WHERE quality = 'unqualified') AS unqualified,
           round(avg(total_score), 2) AS average_score,
           round(100.0 * count(*) FILTER (WHERE quality IN ('hot', 'warm')) / nullif(count(lead_id), 0), 2) AS conversion_rate,
           count(*) FILTER (WHERE pricing) AS pricing, count(*) FILTER (WHERE demo) AS demo, count(*) FILTER (WHERE followup) AS followup,
           count(*) FILTER (WHERE sample) AS sample, count(*) FILTER (WHERE human) AS human,
           count(*) FILTER (WHERE intent_score * 100 >= dimension_scale * 70) AS high_intent,
           count(*) FILTER (WHERE budget_score * 100 >= dimension_scale * 70) AS high_budget,
           count(*) FILTER (WHERE urgency_score * 100 >= dimension_scale * 70) AS urgent,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_seconds) FILTER (WHERE duration_seconds > 0) AS p50,
           percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_seconds) FILTER (WHERE duration_seconds > 0) AS p95,
           count(DISTINCT contact_id) AS contacts
    FROM lines x CROSS JOIN LATERAL (VALUES ('daily', x.day), ('weekly', x.day - (extract(isodow FROM x.day)::integer - 1)),
        ('monthly', make_date(extract(year FROM x.day)::integer, extract(month FROM x.day)::integer, 1))) AS p (period_type, date_period)
    GROUP BY 1, 2, 3
), stored AS (
    SELECT user_id, period_type, date_period, total_calls, successful_calls, failed_calls, missed_calls, voicemail_calls, no_answer_calls,
           busy_calls, failed_outcome_calls, cancelled_calls, in_progress_calls, phone_calls, internet_calls, unknown_source_calls,
           inbound_calls, outbound_calls, connection_rate, total_call_duration, average_call_duration, talk_seconds, credits_micros,
           cost_micros, total_leads, hot_leads, warm_leads, cold_leads, unqualified_leads, average_lead_score, conversion_rate,
           pricing_clicks, demo_requests, followup_requests, sample_requests, human_escalations, high_intent_leads,
           high_budget_leads, urgent_leads, p50_duration_seconds, p95_duration_seconds, distinct_contacts
    FROM call_analytics_cache WHERE total_calls > 0
)
SELECT 'calls say ' || to_jsonb(t)::text FROM (TABLE truth EXCEPT TABLE stored) t
UNION ALL
SELECT 'cache says ' || to_jsonb(s)::text FROM (TABLE stored EXCEPT TABLE truth) s
