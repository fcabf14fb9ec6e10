-- Marks hours, days and months for being put together again from their quarters; returns nothing.
-- $1 tenants, $2 tiers, $3 bucket starts, in parallel arrays.
INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
SELECT DISTINCT b.user_id, b.tier, b.bucket_start
FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[]) AS b (user_id, tier, bucket_start)
