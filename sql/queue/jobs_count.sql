-- Returns per kind how many live jobs there are: of state $1 (see jobs_next.sql), kind $2, queue $3, tenant $4.
SELECT j.kind, count(*) AS "jobs!"
FROM tally.jobs j
WHERE ($1::text IS NULL
        OR ($1 = 'running' AND j.state = 'claimed')
        OR ($1 = 'waiting' AND j.state = 'ready' AND j.run_at <= now())
        OR ($1 = 'delayed' AND j.state = 'ready' AND j.run_at > now())
        OR ($1 = 'failing' AND j.state = 'ready' AND j.run_at > now() AND j.last_error IS NOT NULL))
    AND ($2::text IS NULL OR j.kind = $2)
    AND ($3::text IS NULL OR j.queue = $3)
    AND ($4::uuid IS NULL OR j.user_id = $4)
GROUP BY j.kind
ORDER BY j.kind
