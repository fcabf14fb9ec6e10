-- Returns up to $6 dead letters below the letter $5, newest first: of kind $1, queue $2, tenant $3, dead since $4.
SELECT d.job_id AS "job_id!", d.kind AS "kind!", d.queue AS "queue!", d.user_id AS tenant, 'dead' AS "state!",
    d.attempts AS "attempt!", d.max_attempts AS "max_attempts?", d.dead_at AS "at!", d.created_at AS "queued_at!",
    NULL::bigint AS duration_ms, d.reason AS "error?", NULL::text AS process, d.dead_id AS "claim!"
FROM tally.dead_jobs d
WHERE ($5::bigint IS NULL OR d.dead_id < $5)
    AND ($1::text IS NULL OR d.kind = $1)
    AND ($2::text IS NULL OR d.queue = $2)
    AND ($3::uuid IS NULL OR d.user_id = $3)
    AND ($4::timestamptz IS NULL OR d.dead_at >= $4)
ORDER BY d.dead_id DESC
LIMIT $6
