-- Makes the lock rows of buckets; returns nothing. In key order, so that two workers cannot wait for each other.
-- $1 tenants, $2 tier, $3 bucket starts.
INSERT INTO tally.rollup_buckets (user_id, tier, bucket_start)
SELECT b.user_id, $2, b.bucket_start
FROM unnest($1::uuid[], $3::timestamptz[]) AS b (user_id, bucket_start)
ORDER BY b.user_id, b.bucket_start
ON CONFLICT DO NOTHING
