-- Notes that the locked buckets were recomputed, and until when they rest; returns nothing.
-- $1 tenants, $2 tier, $3 bucket starts, $4 generations, $5 until when.
UPDATE tally.rollup_buckets r SET generation = b.generation, not_before = b.not_before, failures = 0, last_error = NULL
FROM unnest($1::uuid[], $3::timestamptz[], $4::bigint[], $5::timestamptz[]) AS b (user_id, bucket_start, generation, not_before)
WHERE r.user_id = b.user_id AND r.tier = $2 AND r.bucket_start = b.bucket_start
