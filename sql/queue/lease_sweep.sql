-- Deletes leases that ended more than an hour ago. What they should still hold is taken back as the jobs of no lease.
DELETE FROM tally.job_leases
WHERE expires_at < now() - interval '1 hour'
