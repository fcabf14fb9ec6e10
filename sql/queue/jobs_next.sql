-- Returns up to $7 ids of live jobs after $5, up to $6, in order: of state $1, kind $2, queue $3, tenant $4.
-- State failing: waits for another attempt after a failure.
SELECT j.id
FROM tally.jobs j
WHERE j.id > $5 AND j.id <= $6
    AND ($1::text IS NULL
        OR ($1 = 'running' AND j.state = 'claimed')
        OR ($1 = 'waiting' AND j.state = 'ready' AND j.run_at <= now())
        OR ($1 = 'delayed' AND j.state = 'ready' AND j.run_at > now())
        OR ($1 = 'failing' AND j.state = 'ready' AND j.run_at > now() AND j.last_error IS NOT NULL))
    AND ($2::text IS NULL OR j.kind = $2)
    AND ($3::text IS NULL OR j.queue = $3)
    AND ($4::uuid IS NULL OR j.user_id = $4)
ORDER BY j.id
LIMIT $7
