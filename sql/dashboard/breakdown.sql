-- Returns how the calls of tenant $1 in [$2, $3) divide, from day and hour rows; of the agent $4 or, if null, of all its agents.
-- 'band' by seconds of talk (key: first second), 'talked' over 30 s, 'hour' by weekday from Monday 1 (key) and hour, 'source' and
-- 'direction' by name, 'quality' of leads.
WITH days AS (
    SELECT u.phone_calls, u.internet_calls, u.unknown_source_calls, u.inbound_calls, u.outbound_calls, u.hot_leads, u.warm_leads,
           u.cold_leads, u.unqualified_leads, u.duration_values, u.duration_counts
    FROM public.user_analytics u
    WHERE $4::uuid IS NULL AND u.user_id = $1 AND u.grain = 'day' AND u.bucket_start >= $2 AND u.bucket_start < $3
      AND u.zone = (SELECT timezone FROM public.users WHERE id = $1)
    UNION ALL
    SELECT a.phone_calls, a.internet_calls, a.unknown_source_calls, a.inbound_calls, a.outbound_calls, a.hot_leads, a.warm_leads,
           a.cold_leads, a.unqualified_leads, a.duration_values, a.duration_counts
    FROM public.agent_analytics a
    WHERE a.agent_id = $4 AND a.user_id = $1 AND a.grain = 'day' AND a.bucket_start >= $2 AND a.bucket_start < $3
      AND a.zone = (SELECT timezone FROM public.users WHERE id = $1)
), talk AS (
    SELECT t.v, sum(t.n) AS n FROM days d CROSS JOIN LATERAL unnest(d.duration_values, d.duration_counts) AS t (v, n) GROUP BY t.v
), hours AS (
    SELECT u.date, u.hour, u.total_calls, u.successful_calls, u.in_progress_calls FROM public.user_analytics u
    WHERE $4::uuid IS NULL AND u.user_id = $1 AND u.grain = 'hour' AND u.bucket_start >= $2 AND u.bucket_start < $3
      AND u.zone = (SELECT timezone FROM public.users WHERE id = $1)
    UNION ALL
    SELECT a.date, a.hour, a.total_calls, a.successful_calls, a.in_progress_calls FROM public.agent_analytics a
    WHERE a.agent_id = $4 AND a.user_id = $1 AND a.grain = 'hour' AND a.bucket_start >= $2 AND a.bucket_start < $3
      AND a.zone = (SELECT timezone FROM public.users WHERE id = $1)
), named AS (
    SELECT n.part, n.name, sum(n.calls) AS calls
    FROM days d CROSS JOIN LATERAL (VALUES
        ('source', 'phone', d.phone_calls), ('source', 'internet', d.internet_calls), ('source', 'unknown', d.unknown_source_calls),
        ('direction', 'inbound', d.inbound_calls), ('direction', 'outbound', d.outbound_calls),
        ('quality', 'hot', d.hot_leads), ('quality', 'warm', d.warm_leads), ('quality', 'cold', d.cold_leads),
        ('quality', 'unqualified', d.unqualified_leads)
    ) AS n (part, name, calls)
    GROUP BY n.part, n.name
)
SELECT 'band' AS "part!", b.low::integer AS "key!", NULL::integer AS hour, NULL::text AS name,
       coalesce(sum(t.n), 0)::bigint AS "calls!", 0::bigint AS "answered!", 0::bigint AS "ended!"
FROM (VALUES (0, 10), (10, 30), (30, 60), (60, 120), (120, 300), (300, 600), (600, NULL)) AS b (low, high)
LEFT JOIN talk t ON t.v >= b.low AND (b.high IS NULL OR t.v < b.high)
GROUP BY b.low
UNION ALL
SELECT 'talked', 31, NULL, NULL, coalesce(sum(t.n), 0)::bigint, 0, 0 FROM talk t WHERE t.v > 30
UNION ALL
SELECT 'hour', extract(isodow FROM h.date)::integer, h.hour, NULL, sum(h.total_calls)::bigint, sum(h.successful_calls)::bigint,
       sum(h.total_calls - h.in_progress_calls)::bigint
FROM hours h
GROUP BY 2, 3
UNION ALL
SELECT n.part, 0, NULL, n.name, n.calls::bigint, 0, 0 FROM named n
ORDER BY 1, 2, 3, 4
