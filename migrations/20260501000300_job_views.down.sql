ALTER TABLE tally.job_leases DROP COLUMN queues;
DROP INDEX tally.job_history_unsuccessful;
