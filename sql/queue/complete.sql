-- Applies a batch of reports and returns one verdict for each: accepted, busy (row locked by another transaction) or stale.
WITH report AS (
    SELECT *
    FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::float8[], $7::bigint[], $8::text[])
        AS r (job_id, claim, lease_id, outcome, error, delay_seconds, duration_ms, log)
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
    FROM tally.jobs j
    JOIN report r ON j.id = r.job_id AND j.claims = r.claim AND j.lease_id = r.lease_id
    WHERE j.state = 'claimed'
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
        done = CASE WHEN h.ended THEN h.claimed_generation ELSE h.done END,
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
), freed AS (
    UPDATE tally.job_permits p
    SET job_id = NULL, claim = NULL, lease_id = NULL
    FROM held h
    WHERE h.permit_slot IS NOT NULL AND p.queue = h.queue
        AND p.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND p.slot = h.permit_slot
        AND p.job_id = h.id
), unlocked AS (
    DELETE FROM tally.job_keys k
    USING held h
    WHERE h.unique_scope IN ('waiting', 'live') AND h.ended AND k.kind = h.kind
        AND k.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND k.key = h.unique_key
        AND k.job_id = h.id
), written AS (
    INSERT INTO tally.job_history
        (job_id, claim, kind, queue, user_id, attempt, outcome, error, log, queued_at, started_at, finished_at,
         duration_ms, lease_id)
    SELECT id, claims, kind, queue, user_id, attempt, outcome,
        CASE WHEN outcome = 'cancelled' THEN coalesce(cancel_reason, error) ELSE error END, log, created_at, claimed_at,
        now(), duration_ms, lease_id
    FROM held
), buried AS (
    INSERT INTO tally.dead_jobs
        (job_id, kind, queue, user_id, coalesce_key, payload, priority, attempts, max_attempts, reason, created_at,
         dead_at, trace, claims)
    SELECT id, kind, queue, user_id, coalesce_key, payload, priority, attempt, max_attempts,
        coalesce(error, 'no reason given'), created_at, now(), trace, claims
    FROM held
    WHERE outcome = 'dead'
)
SELECT r.job_id AS "job_id!", r.claim AS "claim!",
    CASE WHEN h.id IS NOT NULL THEN 'accepted' WHEN j.id IS NOT NULL THEN 'busy' ELSE 'stale' END AS "verdict!",
    extract(epoch FROM now())::float8 AS "at_epoch_seconds!"
FROM report r
LEFT JOIN held h ON h.id = r.job_id AND h.claims = r.claim AND h.lease_id = r.lease_id
LEFT JOIN tally.jobs j
    ON j.id = r.job_id AND j.claims = r.claim AND j.lease_id = r.lease_id AND j.state = 'claimed'
