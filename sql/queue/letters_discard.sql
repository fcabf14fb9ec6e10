-- Removes the dead letters $1 for the reason $2, leaves a line of history for each, and returns their jobs.
WITH gone AS (
    DELETE FROM tally.dead_jobs
    WHERE dead_id = ANY (ARRAY(
        SELECT d.dead_id FROM tally.dead_jobs d WHERE d.dead_id = ANY ($1) ORDER BY d.dead_id FOR UPDATE SKIP LOCKED))
    RETURNING dead_id, job_id, claims, kind, queue, user_id, attempts, created_at
), written AS (
    INSERT INTO tally.job_history (job_id, claim, kind, queue, user_id, attempt, outcome, error, queued_at, finished_at)
    SELECT job_id, claims, kind, queue, user_id, attempts, 'discarded', $2, created_at, now() FROM gone
)
SELECT dead_id AS "dead_id!", job_id AS "job_id!", user_id AS tenant FROM gone ORDER BY dead_id
