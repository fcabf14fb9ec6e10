-- Returns up to $2 attempts of job $1, the newest first.
SELECT h.claim, h.kind, h.queue, h.user_id AS tenant, h.attempt, h.outcome, h.error, h.log, h.queued_at, h.started_at,
    h.finished_at, h.duration_ms, h.lease_id, l.label AS "process?"
FROM tally.job_history h
LEFT JOIN tally.job_leases l ON l.lease_id = h.lease_id
WHERE h.job_id = $1
ORDER BY h.finished_at DESC, h.claim DESC
LIMIT $2
