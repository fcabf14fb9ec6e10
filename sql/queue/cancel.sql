-- Cancels the jobs $1 for the reason $2; returns what each was: ready (it is gone now) or claimed (its process is asked).
-- Jobs that another transaction has locked this moment are waited for if $3, else left out.
WITH waited AS MATERIALIZED (
    SELECT j.* FROM tally.jobs j WHERE $3 AND j.id = ANY ($1) ORDER BY j.id FOR UPDATE
), taken AS MATERIALIZED (
    SELECT j.* FROM tally.jobs j WHERE NOT $3 AND j.id = ANY ($1) ORDER BY j.id FOR UPDATE SKIP LOCKED
), held AS (
    SELECT * FROM waited UNION ALL SELECT * FROM taken
), removed AS (
    DELETE FROM tally.jobs WHERE id = ANY (ARRAY(SELECT id FROM held WHERE state = 'ready'))
), asked AS (
    UPDATE tally.jobs j
    SET cancel_requested_at = now(), cancel_reason = $2
    FROM held h
    WHERE j.id = h.id AND h.state = 'claimed'
), unlocked AS (
    -- In the order in which enqueuing takes them, so that neither locks the other out.
    DELETE FROM tally.job_keys WHERE ctid = ANY (ARRAY(
        SELECT k.ctid
        FROM held h
        JOIN tally.job_keys k ON k.kind = h.kind
            AND k.tenant = coalesce(h.user_id, '00000000-0000-0000-0000-000000000000') AND k.key = h.unique_key
            AND k.job_id = h.id
        WHERE h.state = 'ready' AND h.unique_scope IN ('waiting', 'live')
        ORDER BY k.kind, k.tenant, k.key
        FOR UPDATE OF k))
), written AS (
    INSERT INTO tally.job_history (job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, finished_at)
    SELECT id, claims, kind, queue, user_id, attempt, 'cancelled', $2, created_at, now() FROM held WHERE state = 'ready'
)
SELECT id AS "job_id!", state AS "was!", user_id FROM held
