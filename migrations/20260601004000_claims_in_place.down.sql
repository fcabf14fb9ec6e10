CREATE INDEX jobs_ready ON tally.jobs
    (queue, priority, (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid)), kind, run_at, id)
    WHERE state = 'ready';
CREATE INDEX jobs_claimed ON tally.jobs (lease_id) WHERE state = 'claimed';
DROP INDEX tally.jobs_lanes, tally.jobs_to_cancel;
CREATE INDEX jobs_to_cancel ON tally.jobs (lease_id) WHERE cancel_requested_at IS NOT NULL;
ALTER TABLE tally.jobs SET (fillfactor = 45);
