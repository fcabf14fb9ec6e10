-- What operators ask about jobs, answered without reading the history.

-- What did not succeed is what is looked for by time. Attempts that succeeded, nearly all of them, pay nothing for it.
CREATE INDEX job_history_unsuccessful ON tally.job_history (finished_at, job_id, claim) WHERE outcome <> 'succeeded';

ALTER TABLE tally.job_leases ADD COLUMN queues text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN tally.job_leases.queues IS 'Queues that the process takes jobs from.';
