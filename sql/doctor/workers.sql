-- Returns a row when no process has a lease, with the command that starts one.
SELECT 'no process is alive', 'tallyline run'
WHERE NOT EXISTS (SELECT FROM tally.job_leases l WHERE l.expires_at > now())
