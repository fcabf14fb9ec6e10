-- Returns the live job $1 with the process that runs it and the key that it holds.
SELECT j.kind, j.queue, j.user_id AS tenant,
    CASE WHEN j.state = 'claimed' THEN 'running' WHEN j.run_at <= now() THEN 'waiting' ELSE 'delayed' END AS "state!",
    j.priority, j.attempt, j.max_attempts, j.claims, j.lost, j.requested::bigint AS "requests_open!", j.run_at,
    j.created_at AS queued_at, j.claimed_at, j.deadline_at, j.last_error, j.trace, j.coalesce_key, j.unique_key,
    j.unique_scope, k.expires_at AS "unique_until?", j.permit_slot, j.cancel_requested_at, j.cancel_reason,
    j.lease_id, l.label AS "process?", j.payload,
    EXISTS (SELECT FROM tally.paused_queues p WHERE p.queue = j.queue)
        OR EXISTS (SELECT FROM tally.paused_kinds p WHERE p.kind = j.kind) AS "paused!"
FROM tally.jobs j
LEFT JOIN tally.job_leases l ON l.lease_id = j.lease_id
LEFT JOIN tally.job_keys k ON k.kind = j.kind AND k.key = j.unique_key AND k.job_id = j.id
    AND k.tenant = coalesce(j.user_id, '00000000-0000-0000-0000-000000000000')
WHERE j.id = $1
