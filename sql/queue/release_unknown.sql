-- Gives back jobs of queue $1 that lease $2 holds without knowing it (the answer to a claim was lost); returns their ids.
-- $3: the jobs it does know. What was to be cancelled meanwhile is over, and has not begun. It looks at the blocks of the
-- table from $4 to before $5, see rescue.sql.
WITH found AS MATERIALIZED (
    SELECT j.id
    FROM tally.jobs j
    WHERE j.ctid >= ('(' || $4::bigint || ',0)')::tid AND j.ctid < ('(' || $5::bigint || ',0)')::tid
        AND j.state = 'claimed' AND j.lease_id = $2
), held AS MATERIALIZED (
    SELECT j.*, j.cancel_requested_at IS NOT NULL AS cancelled, j.requested > j.claimed_generation AS again
    FROM tally.jobs j
    WHERE j.id = ANY (ARRAY(SELECT id FROM found)) AND NOT j.id = ANY ($3::bigint[])
        -- Not by the index of lanes, which holds what waits in the queue.
        AND j.queue IS NOT DISTINCT FROM $1 AND j.state = 'claimed' AND j.lease_id = $2
    ORDER BY j.id
    FOR UPDATE
), freed AS (
    UPDATE tally.job_permits p
    SET job_id = NULL, claim = NULL, lease_id = NULL
    FROM held h
    WHERE h.permit_slot IS NOT NULL AND p.queue = h.queue
        AND p.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND p.slot = h.permit_slot
        AND p.job_id = h.id
), unlocked AS (
    -- In the order in which enqueuing takes them, so that neither locks the other out.
    DELETE FROM tally.job_keys WHERE ctid = ANY (ARRAY(
        SELECT k.ctid
        FROM held h
        JOIN tally.job_keys k ON k.kind = h.kind
            AND k.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND k.key = h.unique_key
            AND k.job_id = h.id
        WHERE h.cancelled AND h.unique_scope IN ('waiting', 'live')
        ORDER BY k.kind, k.tenant, k.key
        FOR UPDATE OF k))
), written AS (
    INSERT INTO tally.job_history
        (job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, started_at, finished_at, lease_id)
    SELECT id, claims, kind, queue, user_id, attempt, 'cancelled', cancel_reason, created_at, claimed_at, now(), lease_id
    FROM held
    WHERE cancelled
), removed AS (
    DELETE FROM tally.jobs j USING held h WHERE j.id = h.id AND h.cancelled AND NOT h.again
), kept AS (
    UPDATE tally.jobs j
    SET state = 'ready',
        lease_id = NULL,
        permit_slot = NULL,
        cancel_requested_at = NULL,
        cancel_reason = NULL,
        claimed_at = NULL,
        deadline_at = NULL,
        claimed_generation = NULL,
        requested = CASE WHEN h.cancelled THEN h.requested - h.claimed_generation ELSE h.requested END,
        attempt = CASE WHEN h.cancelled THEN 0 ELSE h.attempt - 1 END,
        lost = CASE WHEN h.cancelled THEN 0 ELSE h.lost END,
        -- A request since the claim may have set it later; what was due stays due.
        run_at = CASE WHEN h.cancelled THEN h.run_at ELSE least(h.run_at, now()) END,
        created_at = CASE WHEN h.cancelled THEN now() ELSE h.created_at END
    FROM held h
    WHERE j.id = h.id AND NOT (h.cancelled AND NOT h.again)
)
SELECT id FROM held
