-- Locks those of the given buckets that nobody else holds, at most $4; returns them with their next generation and past failures.
-- A statement of its own: what is read after it must have a snapshot taken after the lock.
-- Their tenants are held too, so that no zone and no calendar changes under the recomputation; who changes one has its
-- tenants passed over. A tenant that is gone has no hold to take.
-- $1 tenants, $2 tier, $3 bucket starts.
WITH held AS MATERIALIZED (
    SELECT h.user_id
    FROM tally.zone_holds h
    WHERE h.user_id = ANY ($1)
    ORDER BY h.user_id
    FOR KEY SHARE SKIP LOCKED
)
SELECT b.user_id, b.bucket_start, b.generation + 1 AS "generation!", b.failures
FROM tally.rollup_buckets b
WHERE b.tier = $2 AND (b.user_id, b.bucket_start) IN (SELECT * FROM unnest($1::uuid[], $3::timestamptz[]))
  AND (b.user_id IN (SELECT user_id FROM held) OR NOT EXISTS (SELECT FROM tally.zone_holds z WHERE z.user_id = b.user_id))
ORDER BY b.user_id, b.bucket_start
LIMIT $4
FOR UPDATE OF b SKIP LOCKED
