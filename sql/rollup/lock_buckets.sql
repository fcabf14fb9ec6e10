-- Locks those of the given buckets that nobody else holds, at most $4; returns them with their next generation and past failures.
-- A statement of its own: what is read after it must have a snapshot taken after the lock.
-- $1 tenants, $2 tier, $3 bucket starts.
SELECT b.user_id, b.bucket_start, b.generation + 1 AS "generation!", b.failures
FROM tally.rollup_buckets b
WHERE b.tier = $2 AND (b.user_id, b.bucket_start) IN (SELECT * FROM unnest($1::uuid[], $3::timestamptz[]))
ORDER BY b.user_id, b.bucket_start
LIMIT $4
FOR UPDATE SKIP LOCKED
