-- Returns the agents of tenant $1 with their figures of [$3, $4), and the calls of [$2, $3) to compare with, most calls first; at most $5.
-- No name: a deleted agent. median_seconds is exact, by the rule of tally.percentile.
WITH days AS (
    SELECT a.*, a.bucket_start >= $3 AS is_now
    FROM public.agent_analytics a
    WHERE a.user_id = $1 AND a.grain = 'day' AND a.bucket_start >= $2 AND a.bucket_start < $4
      AND a.zone = (SELECT timezone FROM public.users WHERE id = $1)
), sums AS (
    SELECT d.agent_id, sum(d.total_calls) FILTER (WHERE d.is_now) AS calls, sum(d.successful_calls) FILTER (WHERE d.is_now) AS answered,
           sum(d.in_progress_calls) FILTER (WHERE d.is_now) AS in_progress, sum(d.total_duration_minutes) FILTER (WHERE d.is_now) AS minutes,
           sum(d.talk_seconds) FILTER (WHERE d.is_now) AS talk_seconds, sum(d.leads_generated) FILTER (WHERE d.is_now) AS leads,
           sum(d.qualified_leads) FILTER (WHERE d.is_now) AS qualified, sum(d.cost_micros) FILTER (WHERE d.is_now) AS cost_micros,
           sum(d.credits_micros) FILTER (WHERE d.is_now) AS credits_micros, sum(d.total_calls) FILTER (WHERE NOT d.is_now) AS calls_before
    FROM days d
    GROUP BY d.agent_id
), talked AS (
    SELECT c.agent_id, min(c.v) FILTER (WHERE c.upto >= ceil(0.5 * c.total)) AS median_seconds, max(c.total) AS calls
    FROM (
        SELECT h.agent_id, h.v, sum(h.n) OVER (PARTITION BY h.agent_id ORDER BY h.v) AS upto, sum(h.n) OVER (PARTITION BY h.agent_id) AS total
        FROM (
            SELECT d.agent_id, t.v, sum(t.n) AS n
            FROM days d CROSS JOIN LATERAL unnest(d.duration_values, d.duration_counts) AS t (v, n)
            WHERE d.is_now
            GROUP BY 1, 2
        ) h
    ) c
    GROUP BY c.agent_id
)
SELECT coalesce(g.id, s.agent_id) AS "id!", g.name AS "name?", coalesce(s.calls, 0)::bigint AS "calls!",
       coalesce(s.answered, 0)::bigint AS "answered!", coalesce(s.in_progress, 0)::bigint AS "in_progress!",
       coalesce(s.minutes, 0)::bigint AS "minutes!", coalesce(s.talk_seconds, 0)::bigint AS "talk_seconds!",
       coalesce(t.calls, 0)::bigint AS "talked!", t.median_seconds AS "median_seconds?", coalesce(s.leads, 0)::bigint AS "leads!",
       coalesce(s.qualified, 0)::bigint AS "qualified!", coalesce(s.cost_micros, 0)::bigint AS "cost_micros!",
       coalesce(s.credits_micros, 0)::bigint AS "credits_micros!", coalesce(s.calls_before, 0)::bigint AS "calls_before!"
FROM sums s
FULL JOIN (SELECT a.id, a.name FROM public.agents a WHERE a.user_id = $1) g ON g.id = s.agent_id
LEFT JOIN talked t ON t.agent_id = s.agent_id
ORDER BY coalesce(s.calls, 0) DESC, g.name, 1
LIMIT $5
