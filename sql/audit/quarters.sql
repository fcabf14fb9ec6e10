-- Compares a random sample of quarters that bear no mark with their calls, in one snapshot; returns those that differ.
-- $1 how many quarters to look at.
SELECT s.user_id AS "user_id!", s.bucket_start AS "bucket_start!", k.calls AS "calls!", k.rolled_up AS "rolled_up!"
FROM (
    SELECT q.user_id, q.bucket_start
    FROM tally.rollup_buckets q
    WHERE q.tier = 0
    ORDER BY random()
    LIMIT $1
) s
CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM tally.call_metrics m
            WHERE m.user_id = s.user_id AND m.started_at >= s.bucket_start AND m.started_at < s.bucket_start + interval '15 minutes') AS calls,
           (SELECT coalesce(sum(tally.fingerprint_hi(m.fingerprint)), 0) FROM tally.call_metrics m
            WHERE m.user_id = s.user_id AND m.started_at >= s.bucket_start AND m.started_at < s.bucket_start + interval '15 minutes') AS calls_fingerprint,
           (SELECT coalesce(sum(r.total_calls), 0) FROM tally.quarter_rollups r
            WHERE r.user_id = s.user_id AND r.bucket_start = s.bucket_start) AS rolled_up,
           (SELECT coalesce(sum(r.fingerprint_hi), 0) FROM tally.quarter_rollups r
            WHERE r.user_id = s.user_id AND r.bucket_start = s.bucket_start) AS rolled_up_fingerprint
) k
WHERE (k.calls, k.calls_fingerprint) IS DISTINCT FROM (k.rolled_up, k.rolled_up_fingerprint)
  AND NOT EXISTS (
      SELECT FROM tally.rollup_marks m WHERE m.user_id = s.user_id AND m.tier = 0 AND m.bucket_start = s.bucket_start)
