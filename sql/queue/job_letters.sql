-- Returns the dead letters of job $1, the newest first: a coalesced job may leave one and live on.
SELECT dead_id, kind, queue, user_id AS tenant, coalesce_key, priority, attempts, max_attempts, claims, reason,
    created_at AS queued_at, dead_at, trace, payload
FROM tally.dead_jobs
WHERE job_id = $1
ORDER BY dead_id DESC
