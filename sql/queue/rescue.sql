-- Takes back up to $1 jobs of ended leases and, if $4, those of no lease and those past their deadline by $2 seconds.
-- Dead at the $3rd loss, or when it was the last attempt. It looks at the blocks of the table from $5 to before $6: no
-- index knows what is claimed, since every claim would have to write it.
WITH due AS MATERIALIZED (
    SELECT j.id, j.lease_id, CASE WHEN l.expires_at > now() THEN 'deadline' ELSE 'lease' END AS cause
    FROM tally.jobs j
    LEFT JOIN tally.job_leases l ON l.lease_id = j.lease_id
    WHERE j.ctid >= ('(' || $5::bigint || ',0)')::tid AND j.ctid < ('(' || $6::bigint || ',0)')::tid
        AND j.state = 'claimed'
        AND (l.expires_at <= now()
            OR $4 AND (l.lease_id IS NULL OR j.deadline_at < now() - $2::float8 * interval '1 second'))
), held AS MATERIALIZED (
    SELECT j.*, d.cause,
        j.cancel_requested_at IS NOT NULL AS cancelled,
        (j.lost + 1 >= $3::int OR j.attempt >= j.max_attempts) AND j.cancel_requested_at IS NULL AS hopeless,
        j.requested > j.claimed_generation AS again
    FROM tally.jobs j
    -- A row that changed hands meanwhile is not ours: its new lease may be younger
    -- than this statement, which then sees none.
    JOIN due d ON d.id = j.id AND d.lease_id = j.lease_id
    WHERE j.state = 'claimed' AND (
        NOT EXISTS (SELECT FROM tally.job_leases l WHERE l.lease_id = j.lease_id AND l.expires_at > now())
        OR j.deadline_at < now() - $2::float8 * interval '1 second')
    ORDER BY j.id
    LIMIT $1
    FOR UPDATE OF j SKIP LOCKED
), removed AS (
    DELETE FROM tally.jobs j USING held h WHERE j.id = h.id AND (h.hopeless OR h.cancelled) AND NOT h.again
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
        requested = CASE WHEN h.hopeless OR h.cancelled THEN h.requested - h.claimed_generation ELSE h.requested END,
        attempt = CASE WHEN h.hopeless OR h.cancelled THEN 0 ELSE h.attempt END,
        lost = CASE WHEN h.hopeless OR h.cancelled THEN 0 ELSE h.lost + 1 END,
        run_at = CASE WHEN h.hopeless OR h.cancelled THEN h.run_at ELSE least(h.run_at, now()) END,
        created_at = CASE WHEN h.hopeless OR h.cancelled THEN now() ELSE h.created_at END
    FROM held h
    WHERE j.id = h.id AND NOT ((h.hopeless OR h.cancelled) AND NOT h.again)
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
        WHERE (h.hopeless OR h.cancelled) AND h.unique_scope IN ('waiting', 'live')
        ORDER BY k.kind, k.tenant, k.key
        FOR UPDATE OF k))
), written AS (
    INSERT INTO tally.job_history
        (job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, started_at, finished_at, lease_id)
    SELECT id, claims, kind, queue, user_id, attempt, CASE WHEN cancelled THEN 'cancelled' ELSE 'lost' END,
        CASE WHEN cancelled THEN cancel_reason ELSE 'lost: ' || cause END, created_at, claimed_at, now(), lease_id
    FROM held
), buried AS (
    INSERT INTO tally.dead_jobs
        (job_id, kind, queue, user_id, coalesce_key, payload, priority, attempts, max_attempts, reason, created_at,
         dead_at, trace, claims)
    SELECT id, kind, queue, user_id, coalesce_key, payload, priority, attempt, max_attempts,
        CASE WHEN lost + 1 >= $3::int THEN 'lost ' || (lost + 1) || ' times'
            ELSE 'lost at attempt ' || attempt || ' of ' || max_attempts END,
        created_at, now(), trace, claims
    FROM held
    WHERE hopeless
)
SELECT id AS "job_id!", kind AS "kind!", queue AS "queue!", cause AS "cause!", hopeless AS "dead!" FROM held
