-- Prolongs lease $1 by $2 seconds from now; changes no row when it ended already (an ended lease never comes back).
UPDATE tally.job_leases
SET beat_at = now(), expires_at = now() + $2::float8 * interval '1 second'
WHERE lease_id = $1 AND expires_at > now()
