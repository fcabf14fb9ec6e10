-- Returns the local days of tenant $1 (zone $2) that start in [$3, $4) and hold calls without their rows, newest first, with their calls
-- and quarters. A quarter that is marked is about to be made; hours and days are not looked at where the day bears any mark.
SELECT k.bucket_start AS "from_time!", k.bucket_end AS "to_time!", d.calls AS "calls!", d.quarters AS "quarters!"
FROM tally.calendar k
CROSS JOIN LATERAL (
    SELECT coalesce(sum(c.calls), 0)::bigint AS calls, count(DISTINCT c.quarter_start) AS quarters,
           bool_or(NOT EXISTS (SELECT FROM tally.quarter_rollups r
                               WHERE r.user_id = $1 AND r.bucket_start = c.quarter_start AND r.agent_id = c.agent_id)
                   AND NOT EXISTS (SELECT FROM tally.rollup_marks m
                                   WHERE m.user_id = $1 AND m.tier = 0 AND m.bucket_start = c.quarter_start)) AS without_quarter,
           bool_or(NOT EXISTS (SELECT FROM public.user_analytics r
                               WHERE r.user_id = $1 AND r.grain = 'day' AND r.bucket_start = k.bucket_start)
                   OR NOT EXISTS (SELECT FROM public.agent_analytics r
                                  WHERE r.user_id = $1 AND r.agent_id = c.agent_id AND r.grain = 'day' AND r.bucket_start = k.bucket_start)
                   OR NOT EXISTS (SELECT FROM public.user_analytics r
                                  WHERE r.user_id = $1 AND r.grain = 'hour' AND r.bucket_start > c.quarter_start - interval '1 hour'
                                    AND r.bucket_start <= c.quarter_start AND c.quarter_start < r.bucket_end)
                   OR NOT EXISTS (SELECT FROM public.agent_analytics r
                                  WHERE r.user_id = $1 AND r.agent_id = c.agent_id AND r.grain = 'hour'
                                    AND r.bucket_start > c.quarter_start - interval '1 hour'
                                    AND r.bucket_start <= c.quarter_start AND c.quarter_start < r.bucket_end)) AS without_local
    FROM (
        SELECT tally.quarter_of(s.started_at) AS quarter_start, s.agent_id, count(*) AS calls
        FROM public.calls s
        WHERE s.user_id = $1 AND s.started_at >= k.bucket_start AND s.started_at < k.bucket_end
        GROUP BY 1, 2
    ) c
) d
WHERE k.zone = $2 AND k.grain = 'day' AND k.bucket_start >= $3 AND k.bucket_start < $4
  AND (d.without_quarter
       OR d.without_local AND NOT EXISTS (
           SELECT FROM tally.rollup_marks m
           WHERE m.user_id = $1 AND m.tier IN (0, 1, 2) AND m.bucket_start >= k.bucket_start AND m.bucket_start < k.bucket_end))
ORDER BY k.bucket_start DESC
