-- Returns up to $7 live jobs with ids below $6, newest first: of state $1, kind $2, queue $3, tenant $4, enqueued since $5.
SELECT j.id AS "job_id!", j.kind AS "kind!", j.queue AS "queue!", j.user_id AS tenant,
    CASE WHEN j.state = 'claimed' THEN 'running' WHEN j.run_at <= now() THEN 'waiting' ELSE 'delayed' END AS "state!",
    j.attempt AS "attempt!", j.max_attempts AS "max_attempts?",
    CASE WHEN j.state = 'claimed' THEN j.claimed_at ELSE j.run_at END AS "at!", j.created_at AS "queued_at!",
    NULL::bigint AS duration_ms, j.last_error AS error, l.label AS "process?", j.claims AS "claim!"
FROM tally.jobs j
LEFT JOIN tally.job_leases l ON l.lease_id = j.lease_id
WHERE ($6::bigint IS NULL OR j.id < $6)
    AND ($1::text IS NULL
        OR ($1 = 'running' AND j.state = 'claimed')
        OR ($1 = 'waiting' AND j.state = 'ready' AND j.run_at <= now())
        OR ($1 = 'delayed' AND j.state = 'ready' AND j.run_at > now()))
    AND ($2::text IS NULL OR j.kind = $2)
    AND ($3::text IS NULL OR j.queue = $3)
    AND ($4::uuid IS NULL OR j.user_id = $4)
    AND ($5::timestamptz IS NULL OR j.created_at >= $5)
ORDER BY j.id DESC
LIMIT $7
