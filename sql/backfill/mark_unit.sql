-- Marks the quarters of [$2, $3) with calls or rows, and the hours and days with rows; returns how many calls lie there.
-- $1 tenant. Hours and days without quarters below them would not be reached from there.
WITH quarters AS MATERIALIZED (
    SELECT tally.mark_calls($1, $2, $3) AS marks
), locals AS (
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT $1, CASE r.grain WHEN 'hour' THEN 1 ELSE 2 END, r.bucket_start
    FROM (
        SELECT grain, bucket_start FROM public.user_analytics
        WHERE user_id = $1 AND grain IN ('hour', 'day') AND bucket_start >= $2 AND bucket_start < $3
        UNION
        SELECT grain, bucket_start FROM public.agent_analytics
        WHERE user_id = $1 AND grain IN ('hour', 'day') AND bucket_start >= $2 AND bucket_start < $3
    ) r
)
SELECT (SELECT count(*) FROM public.calls c WHERE c.user_id = $1 AND c.started_at >= $2 AND c.started_at < $3) AS "calls!"
FROM quarters
WHERE quarters.marks >= 0
