-- Makes those of the jobs $1 that wait for their time due now, and returns them.
UPDATE tally.jobs
SET run_at = now()
WHERE id = ANY (ARRAY(
    SELECT j.id FROM tally.jobs j
    WHERE j.id = ANY ($1) AND j.state = 'ready' AND j.run_at > now()
    ORDER BY j.id FOR UPDATE SKIP LOCKED))
RETURNING id AS "job_id!", user_id AS tenant
