-- Returns the newest $2 fires of schedule $1 and what has become of their jobs.
SELECT f.fire_id, f.fire_at, f.fired_at, f.manual, f.outcome, f.job_id,
    CASE
        WHEN j.state = 'claimed' THEN 'running'
        WHEN j.attempt > 0 THEN 'retrying'
        WHEN j.id IS NOT NULL THEN 'waiting'
        WHEN d.job_id IS NOT NULL THEN 'dead'
        ELSE h.outcome
    END AS job_state,
    CASE WHEN j.id IS NOT NULL THEN j.last_error WHEN d.job_id IS NOT NULL THEN d.reason ELSE h.error END AS job_error,
    CASE WHEN j.id IS NULL THEN h.finished_at END AS job_finished_at
FROM (
    SELECT * FROM tally.schedule_fires WHERE schedule = $1 ORDER BY fire_at DESC, fire_id DESC LIMIT $2
) f
LEFT JOIN tally.jobs j ON j.id = f.job_id
LEFT JOIN LATERAL (
    SELECT outcome, error, finished_at FROM tally.job_history h WHERE h.job_id = f.job_id
    ORDER BY finished_at DESC, claim DESC LIMIT 1
) h ON true
-- Of a job that was requested again after it had died, the later end counts.
LEFT JOIN tally.dead_jobs d ON d.job_id = f.job_id AND (h.finished_at IS NULL OR d.dead_at >= h.finished_at)
ORDER BY f.fire_at DESC, f.fire_id DESC
