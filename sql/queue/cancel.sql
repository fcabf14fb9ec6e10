-- Cancels job $1 for the reason $2 and returns what it was: ready (it is gone now) or claimed (its process is asked).
WITH held AS MATERIALIZED (
    SELECT j.* FROM tally.jobs j WHERE j.id = $1 FOR UPDATE
), removed AS (
    DELETE FROM tally.jobs j USING held h WHERE j.id = h.id AND h.state = 'ready'
), asked AS (
    UPDATE tally.jobs j
    SET cancel_requested_at = now(), cancel_reason = $2
    FROM held h
    WHERE j.id = h.id AND h.state = 'claimed'
), unlocked AS (
    DELETE FROM tally.job_keys k
    USING held h
    WHERE h.state = 'ready' AND h.unique_scope IN ('waiting', 'live') AND k.kind = h.kind
        AND k.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND k.key = h.unique_key
        AND k.job_id = h.id
), written AS (
    INSERT INTO tally.job_history (job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, finished_at)
    SELECT id, claims, kind, queue, user_id, attempt, 'cancelled', $2, created_at, now() FROM held WHERE state = 'ready'
)
SELECT state AS "was!" FROM held
