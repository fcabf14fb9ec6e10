-- Makes the lock rows of buckets of tenant $1; returns nothing. In the order in which they are locked.
-- $2 tiers, $3 bucket starts, in parallel arrays.
INSERT INTO tally.rollup_buckets (user_id, tier, bucket_start)
SELECT $1, b.tier, b.bucket_start
FROM unnest($2::smallint[], $3::timestamptz[]) AS b (tier, bucket_start)
ORDER BY b.tier, b.bucket_start
ON CONFLICT DO NOTHING
