-- Returns up to $10 attempts that ended as $1, not succeeded, since $5, newest first: of kind $2, queue $3, tenant $4.
-- It begins below ($6, $7, $8) and looks at $9 attempts at most, whether they match or not.
SELECT h.job_id AS "job_id!", h.kind AS "kind!", h.queue AS "queue!", h.user_id AS tenant, h.outcome AS "state!",
    h.attempt AS "attempt!", NULL::int AS max_attempts, h.finished_at AS "at!", h.queued_at AS "queued_at!",
    h.duration_ms, h.error, l.label AS "process?", h.claim AS "claim!"
FROM (
    SELECT job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, finished_at, duration_ms, lease_id
    FROM tally.job_history
    WHERE outcome <> 'succeeded' AND finished_at >= $5 AND finished_at <= $6
        AND (finished_at, job_id, claim) < ($6, $7::bigint, $8::bigint)
    ORDER BY finished_at DESC, job_id DESC, claim DESC
    LIMIT $9
) h
LEFT JOIN tally.job_leases l ON l.lease_id = h.lease_id
WHERE h.outcome = $1
    AND ($2::text IS NULL OR h.kind = $2)
    AND ($3::text IS NULL OR h.queue = $3)
    AND ($4::uuid IS NULL OR h.user_id = $4)
ORDER BY h.finished_at DESC, h.job_id DESC, h.claim DESC
LIMIT $10
