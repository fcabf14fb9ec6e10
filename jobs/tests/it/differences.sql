-- Returns a line for each hour, day or month whose stored figures are not those of its calls.
WITH raw AS (
    SELECT c.user_id, c.agent_id, g.grain,
           date_trunc(g.grain, c.started_at, u.timezone) AS bucket_start,
           c.outcome, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros, c.contact_id,
           l.id AS lead_id, l.quality, l.total_score
    FROM calls c
    JOIN users u ON u.id = c.user_id
    LEFT JOIN lead_analytics l ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
    CROSS JOIN (VALUES ('hour'), ('day'), ('month')) AS g (grain)
), expected AS (
    SELECT user_id, agent_id, grain, bucket_start, count(*) AS calls, count(*) FILTER (WHERE outcome = 'answered') AS answered,
           count(*) FILTER (WHERE outcome IN ('no_answer', 'busy', 'failed')) AS failed,
           sum(duration_seconds) AS seconds, sum(duration_minutes) AS minutes, sum(credits_micros) AS credits, sum(cost_micros) AS cost,
           count(lead_id) AS leads, count(*) FILTER (WHERE quality IN ('hot', 'warm')) AS qualified, coalesce(sum(total_score), 0) AS score,
           CASE grain WHEN 'day' THEN count(DISTINCT contact_id) END AS contacts
    FROM raw
    GROUP BY GROUPING SETS ((user_id, agent_id, grain, bucket_start), (user_id, grain, bucket_start))
), stored AS (
    SELECT user_id, agent_id, grain, bucket_start, total_calls AS calls, successful_calls AS answered, failed_calls AS failed,
           talk_seconds AS seconds, total_duration_minutes AS minutes, credits_micros AS credits, cost_micros AS cost,
           leads_generated AS leads, qualified_leads AS qualified, total_score_sum AS score, distinct_contacts AS contacts
    FROM agent_analytics
    UNION ALL
    SELECT user_id, NULL, grain, bucket_start, total_calls, successful_calls, failed_calls, talk_seconds, total_duration_minutes,
           credits_micros, cost_micros, leads_generated, qualified_leads, total_score_sum, distinct_contacts
    FROM user_analytics
)
SELECT format('expected %s, stored %s', e, s)
FROM expected e
FULL JOIN stored s ON s.user_id = e.user_id AND s.agent_id IS NOT DISTINCT FROM e.agent_id AND s.grain = e.grain
    AND s.bucket_start = e.bucket_start
WHERE (e.calls, e.answered, e.failed, e.seconds, e.minutes, e.credits, e.cost, e.leads, e.qualified, e.score, e.contacts)
      IS DISTINCT FROM (s.calls, s.answered, s.failed, s.seconds, s.minutes, s.credits, s.cost, s.leads, s.qualified, s.score, s.contacts)
