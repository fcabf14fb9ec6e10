-- Deletes leases that ended more than an hour ago; their jobs have been taken back long since.
DELETE FROM tally.job_leases WHERE expires_at < now() - interval '1 hour'
