-- Applies a batch of reports and returns one verdict for each: accepted, busy (row locked by another transaction) or stale.
WITH report AS (
    SELECT *
    FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::float8[], $7::bigint[])
        AS r (job_id, claim, lease_id, outcome, error, delay_seconds, duration_ms)
), held AS MATERIALIZED (
    -- The lock comes first, and everything below goes by what it returns. A
    -- plain DELETE ... WHERE requested = claimed_generation would wait for a
    -- request in flight, find its condition false and leave the row claimed.
    SELECT j.*, r.outcome, r.error, r.delay_seconds, r.duration_ms,
        r.outcome IN ('succeeded', 'dead') AS ended,
        j.requested > j.claimed_generation AS again
    FROM tally.jobs j
    JOIN report r ON j.id = r.job_id AND j.claims = r.claim AND j.lease_id = r.lease_id
    WHERE j.state = 'claimed'
    ORDER BY j.id
    FOR UPDATE OF j SKIP LOCKED
), removed AS (
    DELETE FROM tally.jobs j USING held h WHERE j.id = h.id AND h.ended AND NOT h.again
), kept AS (
    UPDATE tally.jobs j
    SET state = 'ready',
        lease_id = NULL,
        claimed_at = NULL,
        deadline_at = NULL,
        claimed_generation = NULL,
        done = CASE WHEN h.ended THEN h.claimed_generation ELSE h.done END,
        attempt = CASE WHEN h.ended THEN 0 WHEN h.outcome = 'interrupted' THEN h.attempt - 1 ELSE h.attempt END,
        lost = CASE WHEN h.ended THEN 0 ELSE h.lost END,
        run_at = CASE
            WHEN h.ended THEN h.run_at
            WHEN h.outcome = 'interrupted' THEN least(h.run_at, now())
            ELSE now() + h.delay_seconds * interval '1 second'
        END,
        created_at = CASE WHEN h.ended THEN now() ELSE h.created_at END,
        last_error = CASE WHEN h.ended THEN NULL WHEN h.outcome = 'interrupted' THEN h.last_error ELSE h.error END
    FROM held h
    WHERE j.id = h.id AND NOT (h.ended AND NOT h.again)
), written AS (
    INSERT INTO tally.job_history
        (job_id, kind, user_id, attempt, outcome, error, queued_at, started_at, finished_at, duration_ms, lease_id)
    SELECT id, kind, user_id, attempt, outcome, error, created_at, claimed_at, now(), duration_ms, lease_id
    FROM held
), buried AS (
    INSERT INTO tally.dead_jobs
        (job_id, kind, queue, user_id, coalesce_key, payload, priority, attempts, max_attempts, reason, created_at,
         dead_at, trace)
    SELECT id, kind, queue, user_id, coalesce_key, payload, priority, attempt, max_attempts,
        coalesce(error, 'no reason given'), created_at, now(), trace
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
