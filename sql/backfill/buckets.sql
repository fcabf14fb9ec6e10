-- Returns the quarters, hours and days of tenant $1 that start in [$2, $3) and have a lock row, rows of figures or a mark, each once, with
-- the generation (0 without a lock row) and whether there are rows or marks.
SELECT b.tier AS "tier!", b.bucket_start AS "bucket_start!", max(b.generation) AS "generation!", bool_or(b.used) AS "used!"
FROM (
    SELECT l.tier, l.bucket_start, l.generation, false AS used
    FROM tally.rollup_buckets l
    WHERE l.user_id = $1 AND l.tier IN (0, 1, 2) AND l.bucket_start >= $2 AND l.bucket_start < $3
    UNION ALL
    SELECT 0, r.bucket_start, 0, true
    FROM tally.quarter_rollups r
    WHERE r.user_id = $1 AND r.bucket_start >= $2 AND r.bucket_start < $3
    UNION ALL
    SELECT CASE r.grain WHEN 'hour' THEN 1 ELSE 2 END, r.bucket_start, 0, true
    FROM public.user_analytics r
    WHERE r.user_id = $1 AND r.grain IN ('hour', 'day') AND r.bucket_start >= $2 AND r.bucket_start < $3
    UNION ALL
    SELECT CASE r.grain WHEN 'hour' THEN 1 ELSE 2 END, r.bucket_start, 0, true
    FROM public.agent_analytics r
    WHERE r.user_id = $1 AND r.grain IN ('hour', 'day') AND r.bucket_start >= $2 AND r.bucket_start < $3
    UNION ALL
    SELECT m.tier, m.bucket_start, 0, true
    FROM tally.rollup_marks m
    WHERE m.user_id = $1 AND m.tier IN (0, 1, 2) AND m.bucket_start >= $2 AND m.bucket_start < $3
) b
GROUP BY b.tier, b.bucket_start
