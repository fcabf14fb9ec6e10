-- Returns per kind how many dead letters there are: of kind $1, queue $2, tenant $3.
SELECT d.kind, count(*) AS "jobs!"
FROM tally.dead_jobs d
WHERE ($1::text IS NULL OR d.kind = $1)
    AND ($2::text IS NULL OR d.queue = $2)
    AND ($3::uuid IS NULL OR d.user_id = $3)
GROUP BY d.kind
ORDER BY d.kind
