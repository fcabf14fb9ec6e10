-- Steps from bucket to bucket of grain $4 (tier $5) that has quarters or rows, each step a look into three indexes; returns how
-- many were met and where the last of them ends. A start that lies in no bucket of zone $6 counts as one of an hour.
-- $1 tenant, $2 where to begin, $3 where to stop (exclusive), $7 how many buckets at most.
WITH RECURSIVE walk (met, reached) AS (
    SELECT 0::bigint, $2::timestamptz
    UNION ALL
    SELECT w.met + 1, coalesce((SELECT b.bucket_end FROM tally.local_bucket($6, $5, n.at) b), n.at + interval '1 hour')
    FROM walk w
    CROSS JOIN LATERAL (
        SELECT least(
            (SELECT r.bucket_start FROM tally.quarter_rollups r
             WHERE r.user_id = $1 AND r.bucket_start >= w.reached AND r.bucket_start < $3 ORDER BY r.bucket_start LIMIT 1),
            (SELECT u.bucket_start FROM public.user_analytics u
             WHERE u.user_id = $1 AND u.grain = $4 AND u.bucket_start >= w.reached AND u.bucket_start < $3
             ORDER BY u.bucket_start LIMIT 1),
            (SELECT a.bucket_start FROM public.agent_analytics a
             WHERE a.user_id = $1 AND a.grain = $4 AND a.bucket_start >= w.reached AND a.bucket_start < $3
             ORDER BY a.bucket_start LIMIT 1)) AS at
    ) n
    WHERE w.met < $7 AND n.at IS NOT NULL
)
SELECT w.met AS "met!", w.reached AS "reached!" FROM walk w ORDER BY w.met DESC LIMIT 1
