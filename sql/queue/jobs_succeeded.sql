-- Returns up to $8 attempts that succeeded since $4, of the newest jobs first: of kind $1, queue $2, tenant $3.
-- It begins below ($5, $6) and looks at $7 attempts at most, whether they match or not. All days are looked at, by
-- the index of jobs: a bound of time in there would be a filter, and what it drops would not count.
SELECT h.job_id AS "job_id!", h.kind AS "kind!", h.queue AS "queue!", h.user_id AS tenant, h.outcome AS "state!",
    h.attempt AS "attempt!", NULL::int AS max_attempts, h.finished_at AS "at!", h.queued_at AS "queued_at!",
    h.duration_ms, h.error, l.label AS "process?", h.claim AS "claim!"
FROM (
    SELECT job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, finished_at, duration_ms, lease_id
    FROM tally.job_history
    WHERE job_id <= $5 AND (job_id, claim) < ($5, $6::bigint)
    ORDER BY job_id DESC, claim DESC
    LIMIT $7
) h
LEFT JOIN tally.job_leases l ON l.lease_id = h.lease_id
WHERE h.outcome = 'succeeded' AND h.finished_at >= $4
    AND ($1::text IS NULL OR h.kind = $1)
    AND ($2::text IS NULL OR h.queue = $2)
    AND ($3::uuid IS NULL OR h.user_id = $3)
ORDER BY h.job_id DESC, h.claim DESC
LIMIT $8
