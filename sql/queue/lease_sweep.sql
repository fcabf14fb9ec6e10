-- Deletes leases that ended more than an hour ago and hold nothing.
DELETE FROM tally.job_leases l
WHERE l.expires_at < now() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM tally.jobs j WHERE j.state = 'claimed' AND j.lease_id = l.lease_id)
