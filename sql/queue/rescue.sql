-- Takes back up to $1 jobs whose lease ended or whose deadline passed $2 seconds ago; dead at the $3rd loss. Returns them.
WITH held AS MATERIALIZED (
    SELECT j.*, CASE WHEN l.lease_id IS NULL THEN 'lease' ELSE 'deadline' END AS cause,
        j.lost + 1 >= $3::int AS hopeless,
        j.requested > j.claimed_generation AS again
    FROM tally.jobs j
    LEFT JOIN tally.job_leases l ON l.lease_id = j.lease_id AND l.expires_at > now()
    WHERE j.state = 'claimed'
        AND (l.lease_id IS NULL OR j.deadline_at < now() - $2::float8 * interval '1 second')
    ORDER BY j.id
    LIMIT $1
    FOR UPDATE OF j SKIP LOCKED
), removed AS (
    DELETE FROM tally.jobs j USING held h WHERE j.id = h.id AND h.hopeless AND NOT h.again
), kept AS (
    UPDATE tally.jobs j
    SET state = 'ready',
        lease_id = NULL,
        claimed_at = NULL,
        deadline_at = NULL,
        claimed_generation = NULL,
        done = CASE WHEN h.hopeless THEN h.claimed_generation ELSE h.done END,
        attempt = CASE WHEN h.hopeless THEN 0 ELSE h.attempt END,
        lost = CASE WHEN h.hopeless THEN 0 ELSE h.lost + 1 END,
        run_at = CASE WHEN h.hopeless THEN h.run_at ELSE least(h.run_at, now()) END,
        created_at = CASE WHEN h.hopeless THEN now() ELSE h.created_at END
    FROM held h
    WHERE j.id = h.id AND NOT (h.hopeless AND NOT h.again)
), written AS (
    INSERT INTO tally.job_history
        (job_id, kind, user_id, attempt, outcome, error, queued_at, started_at, finished_at, duration_ms, lease_id)
    SELECT id, kind, user_id, attempt, 'lost', 'lost: ' || cause, created_at, claimed_at, now(), NULL, lease_id
    FROM held
), buried AS (
    INSERT INTO tally.dead_jobs
        (job_id, kind, queue, user_id, coalesce_key, payload, priority, attempts, max_attempts, reason, created_at,
         dead_at, trace)
    SELECT id, kind, queue, user_id, coalesce_key, payload, priority, attempt, max_attempts,
        'lost ' || (lost + 1) || ' times', created_at, now(), trace
    FROM held
    WHERE hopeless
)
SELECT id AS "job_id!", kind AS "kind!", queue AS "queue!", cause AS "cause!", hopeless AS "dead!" FROM held
