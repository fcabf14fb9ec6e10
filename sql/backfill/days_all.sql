-- Returns the local days of tenant $1 (zone $2) that start in [$3, $4) and hold calls (in the table or in a file of history) or
-- rows, newest first, with their calls and quarters in the table.
SELECT k.bucket_start AS "from_time!", k.bucket_end AS "to_time!", c.calls AS "calls!", c.quarters AS "quarters!"
FROM tally.calendar k
CROSS JOIN LATERAL (
    SELECT count(*) AS calls, count(DISTINCT tally.quarter_of(c.started_at)) AS quarters
    FROM public.calls c
    WHERE c.user_id = $1 AND c.started_at >= k.bucket_start AND c.started_at < k.bucket_end
) c
WHERE k.zone = $2 AND k.grain = 'day' AND k.bucket_start >= $3 AND k.bucket_start < $4
  AND (c.calls > 0
       OR EXISTS (SELECT FROM tally.history_files f
                  WHERE f.user_id = $1 AND f.month_start < k.bucket_end AND f.month_end > k.bucket_start)
       OR EXISTS (SELECT FROM tally.quarter_rollups r
                  WHERE r.user_id = $1 AND r.bucket_start >= k.bucket_start AND r.bucket_start < k.bucket_end)
       OR EXISTS (SELECT FROM public.user_analytics r
                  WHERE r.user_id = $1 AND r.grain IN ('hour', 'day') AND r.bucket_start >= k.bucket_start AND r.bucket_start < k.bucket_end)
       OR EXISTS (SELECT FROM public.agent_analytics r
                  WHERE r.user_id = $1 AND r.grain IN ('hour', 'day') AND r.bucket_start >= k.bucket_start AND r.bucket_start < k.bucket_end))
ORDER BY k.bucket_start DESC
