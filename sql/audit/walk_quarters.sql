-- Steps from quarter to quarter that has calls or rows, each step a look into two indexes; returns how many were met and where
-- the last of them ends. $1 tenant, $2 where to begin, $3 where to stop (exclusive), $4 how many quarters at most.
WITH RECURSIVE walk (met, reached) AS (
    SELECT 0::bigint, $2::timestamptz
    UNION ALL
    SELECT w.met + 1, tally.quarter_of(n.at) + interval '15 minutes'
    FROM walk w
    CROSS JOIN LATERAL (
        SELECT least(
            (SELECT c.started_at FROM public.calls c
             WHERE c.user_id = $1 AND c.started_at >= w.reached AND c.started_at < $3 ORDER BY c.started_at LIMIT 1),
            (SELECT r.bucket_start FROM tally.quarter_rollups r
             WHERE r.user_id = $1 AND r.bucket_start >= w.reached AND r.bucket_start < $3 ORDER BY r.bucket_start LIMIT 1)) AS at
    ) n
    WHERE w.met < $4 AND n.at IS NOT NULL
)
SELECT w.met AS "met!", w.reached AS "reached!" FROM walk w ORDER BY w.met DESC LIMIT 1
