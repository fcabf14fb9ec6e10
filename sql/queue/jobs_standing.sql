-- Returns for each of the jobs $1 how it stands: live state, dead letters, outcome of its last attempt.
SELECT a.job_id AS "job_id!",
    CASE WHEN j.state = 'claimed' THEN 'running' WHEN j.run_at <= now() THEN 'waiting' WHEN j.run_at > now() THEN 'delayed' END
        AS live,
    ARRAY(SELECT d.dead_id FROM tally.dead_jobs d WHERE d.job_id = a.job_id ORDER BY d.dead_id) AS "letters!",
    (SELECT h.outcome FROM tally.job_history h WHERE h.job_id = a.job_id ORDER BY h.finished_at DESC, h.claim DESC LIMIT 1)
        AS last_outcome
FROM unnest($1::bigint[]) WITH ORDINALITY AS a (job_id, place)
LEFT JOIN tally.jobs j ON j.id = a.job_id
ORDER BY a.place
