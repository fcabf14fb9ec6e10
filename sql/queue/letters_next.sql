-- Returns up to $6 dead letters after $4, up to $5, in order: of kind $1, queue $2, tenant $3.
SELECT d.dead_id
FROM tally.dead_jobs d
WHERE d.dead_id > $4 AND d.dead_id <= $5
    AND ($1::text IS NULL OR d.kind = $1)
    AND ($2::text IS NULL OR d.queue = $2)
    AND ($3::uuid IS NULL OR d.user_id = $3)
ORDER BY d.dead_id
LIMIT $6
