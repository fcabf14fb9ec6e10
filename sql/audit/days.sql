-- Compares a random sample of days, with no mark in or above them, with the quarters below them, in one snapshot; returns
-- those that differ. $1 how many days to look at.
SELECT s.user_id AS "user_id!", s.bucket_start AS "bucket_start!", k.quarters AS "quarters!", s.total_calls AS "day!"
FROM (
    SELECT d.user_id, d.bucket_start, d.bucket_end, d.total_calls, d.fingerprint_hi, d.fingerprint_lo
    FROM public.user_analytics d
    WHERE d.grain = 'day'
    ORDER BY random()
    LIMIT $1
) s
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.total_calls), 0) AS quarters, coalesce(sum(r.fingerprint_hi), 0) AS hi, coalesce(sum(r.fingerprint_lo), 0) AS lo
    FROM tally.quarter_rollups r
    WHERE r.user_id = s.user_id AND r.bucket_start >= s.bucket_start AND r.bucket_start < s.bucket_end
) k
WHERE (k.quarters, k.hi, k.lo) IS DISTINCT FROM (s.total_calls, s.fingerprint_hi, s.fingerprint_lo)
  AND NOT EXISTS (
      SELECT FROM tally.rollup_marks m
      WHERE m.user_id = s.user_id AND m.bucket_start >= s.bucket_start AND m.bucket_start < s.bucket_end)
