-- Notes that the locked buckets were recomputed; returns nothing.
-- $1 tenants, $2 tier, $3 bucket starts, $4 generations.
UPDATE tally.rollup_buckets r SET generation = b.generation
FROM unnest($1::uuid[], $3::timestamptz[], $4::bigint[]) AS b (user_id, bucket_start, generation)
WHERE r.user_id = b.user_id AND r.tier = $2 AND r.bucket_start = b.bucket_start
