-- Empties the queue's tables; returns nothing.
TRUNCATE tally.jobs, tally.job_keys, tally.job_permits, tally.job_history, tally.dead_jobs, tally.job_leases,
    tally.paused_queues, tally.paused_kinds, tally.queue_caps
