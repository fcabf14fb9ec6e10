-- Claims up to $3 due jobs of queue $1 for the live lease $2 and returns them; $4 maps kinds to seconds, $5 is for others.
WITH lease AS (
    SELECT lease_id FROM tally.job_leases WHERE lease_id = $2 AND expires_at > now()
), picked AS MATERIALIZED (
    -- One descent of the index per priority: jobs that are due later, however
    -- many, are never walked over.
    SELECT due.id
    FROM lease
    CROSS JOIN unnest('{0,1,2,3}'::smallint[]) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT j.id
        FROM tally.jobs j
        WHERE j.state = 'ready' AND j.queue = $1 AND j.priority = level.priority AND j.run_at <= now()
        ORDER BY j.run_at, j.id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) due
    WHERE NOT EXISTS (SELECT 1 FROM tally.paused_queues p WHERE p.queue = $1)
    LIMIT $3
)
UPDATE tally.jobs
SET state = 'claimed',
    attempt = attempt + 1,
    claims = claims + 1,
    claimed_generation = requested,
    lease_id = $2,
    claimed_at = now(),
    deadline_at = now() + coalesce(($4::jsonb ->> kind)::float8, $5) * interval '1 second'
WHERE id = ANY (ARRAY(SELECT id FROM picked))
RETURNING id, kind, user_id, coalesce_key, payload, priority, run_at, attempt, claims, max_attempts, trace,
    extract(epoch FROM greatest(now() - run_at, interval '0'))::float8 AS "wait_seconds!"
