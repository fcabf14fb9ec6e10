-- Gives back jobs of queue $1 that lease $2 holds without knowing it (the answer to a claim was lost); returns their ids.
-- $3: the jobs it does know.
WITH held AS MATERIALIZED (
    SELECT j.id, j.queue, j.user_id, j.permit_slot
    FROM tally.jobs j
    WHERE j.state = 'claimed' AND j.queue = $1 AND j.lease_id = $2 AND NOT j.id = ANY ($3::bigint[])
    ORDER BY j.id
    FOR UPDATE
), freed AS (
    UPDATE tally.job_permits p
    SET job_id = NULL, claim = NULL, lease_id = NULL
    FROM held h
    WHERE h.permit_slot IS NOT NULL AND p.queue = h.queue
        AND p.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND p.slot = h.permit_slot
        AND p.job_id = h.id
)
UPDATE tally.jobs j
SET state = 'ready',
    attempt = j.attempt - 1,
    lease_id = NULL,
    permit_slot = NULL,
    claimed_at = NULL,
    deadline_at = NULL,
    claimed_generation = NULL
FROM held h
WHERE j.id = h.id
RETURNING j.id
