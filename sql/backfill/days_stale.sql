-- Returns the local days of tenant $1 (zone $2) that start in [$3, $4) and whose rows differ from the calls in number or fingerprint
-- (missing rows and rows without calls among them), newest first, with their calls and quarters. Marked quarters are known to be behind and
-- are passed over; hours and days are not looked at where the day bears any mark.
WITH calls AS MATERIALIZED (
    SELECT m.quarter_start, m.agent_id, count(*) AS n,
           sum(tally.fingerprint_hi(m.fingerprint)) AS hi, sum(tally.fingerprint_lo(m.fingerprint)) AS lo
    FROM tally.call_metrics m
    WHERE m.user_id = $1 AND m.started_at >= $3 AND m.started_at < $4
    GROUP BY m.quarter_start, m.agent_id
), days AS (
    SELECT k.bucket_start, k.bucket_end FROM tally.calendar k
    WHERE k.zone = $2 AND k.grain = 'day' AND k.bucket_start >= $3 AND k.bucket_start < $4
), quarters AS (
    SELECT DISTINCT coalesce(c.quarter_start, r.bucket_start) AS quarter_start
    FROM calls c
    FULL JOIN (
        SELECT q.bucket_start, q.agent_id, q.total_calls, q.fingerprint_hi, q.fingerprint_lo FROM tally.quarter_rollups q
        WHERE q.user_id = $1 AND q.bucket_start >= $3 AND q.bucket_start < $4
    ) r ON r.bucket_start = c.quarter_start AND r.agent_id = c.agent_id
    WHERE (c.n, c.hi, c.lo) IS DISTINCT FROM (r.total_calls::bigint, r.fingerprint_hi::numeric, r.fingerprint_lo::numeric)
), unmarked AS (
    SELECT q.quarter_start FROM quarters q
    WHERE NOT EXISTS (SELECT FROM tally.rollup_marks m WHERE m.user_id = $1 AND m.tier = 0 AND m.bucket_start = q.quarter_start)
), rows AS (
    SELECT r.grain, NULL::uuid AS agent_id, r.bucket_start, r.total_calls, r.fingerprint_hi, r.fingerprint_lo
    FROM public.user_analytics r
    WHERE r.user_id = $1 AND r.grain IN ('hour', 'day') AND r.bucket_start >= $3 AND r.bucket_start < $4
    UNION ALL
    SELECT r.grain, r.agent_id, r.bucket_start, r.total_calls, r.fingerprint_hi, r.fingerprint_lo
    FROM public.agent_analytics r
    WHERE r.user_id = $1 AND r.grain IN ('hour', 'day') AND r.bucket_start >= $3 AND r.bucket_start < $4
), expected AS (
    SELECT g.grain, CASE WHEN s.per_agent THEN c.agent_id END AS agent_id, b.bucket_start, sum(c.n) AS n, sum(c.hi) AS hi, sum(c.lo) AS lo
    FROM calls c
    CROSS JOIN (VALUES ('hour', 1), ('day', 2)) AS g (grain, tier)
    CROSS JOIN LATERAL tally.local_bucket($2, g.tier, c.quarter_start) b
    CROSS JOIN (VALUES (true), (false)) AS s (per_agent)
    GROUP BY 1, 2, 3
), locals AS (
    SELECT coalesce(e.bucket_start, r.bucket_start) AS bucket_start
    FROM expected e
    FULL JOIN rows r ON r.grain = e.grain AND r.bucket_start = e.bucket_start
         AND coalesce(r.agent_id, '00000000-0000-0000-0000-000000000000') = coalesce(e.agent_id, '00000000-0000-0000-0000-000000000000')
    WHERE (e.n, e.hi, e.lo) IS DISTINCT FROM (r.total_calls::numeric, r.fingerprint_hi::numeric, r.fingerprint_lo::numeric)
)
SELECT d.bucket_start AS "from_time!", d.bucket_end AS "to_time!",
       (SELECT coalesce(sum(c.n), 0)::bigint FROM calls c WHERE c.quarter_start >= d.bucket_start AND c.quarter_start < d.bucket_end) AS "calls!",
       (SELECT count(DISTINCT c.quarter_start) FROM calls c WHERE c.quarter_start >= d.bucket_start AND c.quarter_start < d.bucket_end) AS "quarters!"
FROM days d
WHERE EXISTS (SELECT FROM unmarked q WHERE q.quarter_start >= d.bucket_start AND q.quarter_start < d.bucket_end)
   OR EXISTS (SELECT FROM locals l WHERE l.bucket_start >= d.bucket_start AND l.bucket_start < d.bucket_end)
      AND NOT EXISTS (SELECT FROM tally.rollup_marks m
                      WHERE m.user_id = $1 AND m.tier IN (0, 1, 2) AND m.bucket_start >= d.bucket_start AND m.bucket_start < d.bucket_end)
ORDER BY d.bucket_start DESC
