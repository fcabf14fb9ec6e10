-- Notes that buckets could not be recomputed, and lets them rest; returns nothing.
-- $1 tenants, $2 tier, $3 bucket starts, $4 why, $5 for how many seconds.
UPDATE tally.rollup_buckets r SET failures = r.failures + 1, last_error = $4, not_before = b.not_before
FROM (
    SELECT t.user_id, t.bucket_start, clock_timestamp() + make_interval(secs => $5) AS not_before
    FROM unnest($1::uuid[], $3::timestamptz[]) AS t (user_id, bucket_start)
) b
WHERE r.user_id = b.user_id AND r.tier = $2 AND r.bucket_start = b.bucket_start
