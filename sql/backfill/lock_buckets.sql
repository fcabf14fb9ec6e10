-- Locks buckets of tenant $1, waiting for those that others hold, in the order of tier and start; returns them with their generations.
-- A statement of its own: what is read after it must have a snapshot taken after the lock.
-- $2 tiers, $3 bucket starts, in parallel arrays.
SELECT b.tier, b.bucket_start, b.generation
FROM tally.rollup_buckets b
WHERE b.user_id = $1 AND (b.tier, b.bucket_start) IN (SELECT * FROM unnest($2::smallint[], $3::timestamptz[]))
ORDER BY b.tier, b.bucket_start
FOR UPDATE
