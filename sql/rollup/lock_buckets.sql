-- Locks those of the given buckets that nobody else holds, at most $4; returns them with their next generation.
-- A statement of its own: what is read after it must have a snapshot taken after the lock.
-- Their tenants are held too, so that none changes its zone or goes under the recomputation. Who is changed or deleted at
-- this moment is passed by and not waited for, or others would wait along. Charges, which update the row too, do no harm.
-- $1 tenants, $2 tier, $3 bucket starts.
WITH held AS MATERIALIZED (
    SELECT u.id
    FROM public.users u
    WHERE u.id = ANY ($1)
    ORDER BY u.id
    FOR KEY SHARE SKIP LOCKED
)
SELECT b.user_id, b.bucket_start, b.generation + 1 AS "generation!"
FROM tally.rollup_buckets b
WHERE b.tier = $2 AND (b.user_id, b.bucket_start) IN (SELECT * FROM unnest($1::uuid[], $3::timestamptz[]))
  AND (b.user_id IN (SELECT id FROM held) OR NOT EXISTS (SELECT FROM public.users g WHERE g.id = b.user_id))
ORDER BY b.user_id, b.bucket_start
LIMIT $4
FOR UPDATE OF b SKIP LOCKED
