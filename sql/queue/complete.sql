-- Applies a batch of reports; returns those that hold. The others are busy or stale, see still_held.sql.
-- $9: whether the job is to be deleted outright, without a lock first: it succeeded, nobody coalesces it, a wait is no harm.
WITH report AS MATERIALIZED (
    SELECT *
    FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::float8[], $7::bigint[], $8::text[],
                $9::boolean[])
        AS r (job_id, claim, lease_id, outcome, error, delay_seconds, duration_ms, log, outright)
), plain AS (
    DELETE FROM tally.jobs j
    USING report r
    WHERE r.outright AND r.outcome = 'succeeded' AND j.id = r.job_id AND j.claims = r.claim
        -- Not by the index of leases, which knows every claim ever made under this one.
        AND j.lease_id IS NOT DISTINCT FROM r.lease_id AND j.coalesce_key IS NULL
    RETURNING j.id, j.claims, j.kind, j.queue, j.user_id, j.attempt, r.outcome, r.log, j.created_at, j.claimed_at,
        r.duration_ms, j.lease_id, r.error, j.permit_slot, j.unique_scope, j.unique_key
), held AS MATERIALIZED (
    -- The lock comes first, and everything below goes by what it returns. A
    -- plain DELETE ... WHERE requested = claimed_generation would wait for a
    -- request in flight, find its condition false and leave the row claimed.
    SELECT j.*, r.error, r.delay_seconds, r.duration_ms, r.log,
        -- Whoever asked for the cancelling did not want it tried again.
        CASE WHEN j.cancel_requested_at IS NOT NULL AND r.outcome <> 'succeeded' THEN 'cancelled' ELSE r.outcome END
            AS outcome,
        r.outcome IN ('succeeded', 'dead', 'cancelled') OR j.cancel_requested_at IS NOT NULL AS ended,
        j.requested > j.claimed_generation AS again
    FROM report r
    JOIN tally.jobs j ON j.id = r.job_id AND j.claims = r.claim AND j.lease_id IS NOT DISTINCT FROM r.lease_id
    WHERE NOT r.outright
    ORDER BY j.id
    FOR UPDATE OF j SKIP LOCKED
), removed AS (
    DELETE FROM tally.jobs WHERE id = ANY (ARRAY(SELECT id FROM held WHERE ended AND NOT again))
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
        requested = CASE WHEN h.ended THEN h.requested - h.claimed_generation ELSE h.requested END,
        attempt = CASE WHEN h.ended THEN 0 WHEN h.outcome IN ('interrupted', 'snoozed') THEN h.attempt - 1 ELSE h.attempt END,
        lost = CASE WHEN h.ended THEN 0 ELSE h.lost END,
        run_at = CASE
            WHEN h.ended THEN h.run_at
            WHEN h.outcome = 'interrupted' THEN least(h.run_at, now())
            ELSE now() + h.delay_seconds * interval '1 second'
        END,
        created_at = CASE WHEN h.ended THEN now() ELSE h.created_at END,
        last_error = CASE WHEN h.ended THEN NULL WHEN h.outcome = 'failed' THEN h.error ELSE h.last_error END
    FROM held h
    WHERE j.id = h.id AND NOT (h.ended AND NOT h.again)
), settled AS NOT MATERIALIZED (
    SELECT id, claims, kind, queue, user_id, attempt, outcome, log, created_at, claimed_at, duration_ms, lease_id,
        CASE WHEN outcome = 'cancelled' THEN coalesce(cancel_reason, error) ELSE error END AS error,
        ended, permit_slot, unique_scope, unique_key
    FROM held
    UNION ALL
    SELECT id, claims, kind, queue, user_id, attempt, outcome, log, created_at, claimed_at, duration_ms, lease_id,
        error, true, permit_slot, unique_scope, unique_key
    FROM plain
), freed AS (
    UPDATE tally.job_permits p
    SET job_id = NULL, claim = NULL, lease_id = NULL
    FROM settled s
    WHERE s.permit_slot IS NOT NULL AND p.queue = s.queue
        AND p.tenant = coalesce(s.user_id, '00000000-0000-0000-0000-000000000000') AND p.slot = s.permit_slot
        AND p.job_id = s.id
), unlocked AS (
    -- In the order in which enqueuing takes them, so that neither locks the other out.
    DELETE FROM tally.job_keys WHERE ctid = ANY (ARRAY(
        SELECT k.ctid
        FROM settled s
        JOIN tally.job_keys k ON k.kind = s.kind
            AND k.tenant = coalesce(s.user_id, '00000000-0000-0000-0000-000000000000') AND k.key = s.unique_key
            AND k.job_id = s.id
        WHERE s.unique_scope IN ('waiting', 'live') AND s.ended
        ORDER BY k.kind, k.tenant, k.key
        FOR UPDATE OF k))
), written AS (
    INSERT INTO tally.job_history
        (job_id, claim, kind, queue, user_id, attempt, outcome, error, log, queued_at, started_at, finished_at,
         duration_ms, lease_id)
    SELECT id, claims, kind, queue, user_id, attempt, outcome, error, log, created_at, claimed_at, now(), duration_ms,
        lease_id
    FROM settled
), buried AS (
    INSERT INTO tally.dead_jobs
        (job_id, kind, queue, user_id, coalesce_key, payload, priority, attempts, max_attempts, reason, created_at,
         dead_at, trace, claims)
    SELECT id, kind, queue, user_id, coalesce_key, payload, priority, attempt, max_attempts,
        coalesce(error, 'no reason given'), created_at, now(), trace, claims
    FROM held
    WHERE outcome = 'dead'
)
SELECT id AS "job_id!", claims AS "claim!", lease_id AS "lease_id!", date_part('epoch', now()) AS "at_epoch_seconds!"
FROM settled
