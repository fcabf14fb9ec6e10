-- Marks the bucket of the next tier that holds each of the given ones, in the tenant's zone; returns nothing.
-- A bucket with calls beyond the calendar's end makes it fail (23502): better loud and still marked than silently uncounted.
-- $1 tenants, $2 bucket starts, $3 tier of the parents (1 hour, 2 day, 3 month).
INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
SELECT DISTINCT b.user_id, $3, p.bucket_start
FROM unnest($1::uuid[], $2::timestamptz[]) AS b (user_id, bucket_start)
JOIN public.users u ON u.id = b.user_id
LEFT JOIN LATERAL tally.local_bucket(u.timezone, $3, b.bucket_start) p ON true
WHERE p.bucket_start IS NOT NULL
   OR EXISTS (SELECT FROM tally.quarter_rollups q WHERE q.user_id = b.user_id AND q.bucket_start = b.bucket_start)
