-- Locks those of the given buckets that nobody else holds, at most $4 and in the given order, which is that of the tenants'
-- turns; returns them with their next generation and past failures. It waits for none, so any order is safe.
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
FROM unnest($1::uuid[], $3::timestamptz[]) WITH ORDINALITY AS c (user_id, bucket_start, place)
JOIN tally.rollup_buckets b ON b.user_id = c.user_id AND b.tier = $2 AND b.bucket_start = c.bucket_start
WHERE c.user_id IN (SELECT user_id FROM held) OR NOT EXISTS (SELECT FROM tally.zone_holds z WHERE z.user_id = c.user_id)
ORDER BY c.place
LIMIT $4
FOR UPDATE OF b SKIP LOCKED
