-- Fires that enqueued a job of which nothing is known: it neither waits, runs, has ended nor is dead.
SELECT concat_ws(' ', f.schedule, f.fire_at) FROM tally.schedule_fires f
WHERE f.outcome = 'enqueued'
    AND NOT EXISTS (SELECT FROM tally.jobs j WHERE j.id = f.job_id)
    AND NOT EXISTS (SELECT FROM tally.job_history h WHERE h.job_id = f.job_id)
    AND NOT EXISTS (SELECT FROM tally.dead_jobs d WHERE d.job_id = f.job_id)
