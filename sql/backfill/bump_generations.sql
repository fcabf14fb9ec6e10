-- Raises the generations of written buckets of tenant $1; returns nothing.
-- $2 tiers, $3 bucket starts, $4 new generations, in parallel arrays.
UPDATE tally.rollup_buckets r SET generation = b.generation, failures = 0, last_error = NULL
FROM unnest($2::smallint[], $3::timestamptz[], $4::bigint[]) AS b (tier, bucket_start, generation)
WHERE r.user_id = $1 AND r.tier = b.tier AND r.bucket_start = b.bucket_start
