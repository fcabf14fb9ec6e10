-- Returns the leases of processes with what they hold, the newest first.
SELECT l.lease_id, l.label, l.started_at, l.beat_at, l.queues, l.expires_at > now() AS "alive!",
    extract(epoch FROM now() - l.started_at)::float8 AS "age_seconds!",
    extract(epoch FROM now() - l.beat_at)::float8 AS "beat_age_seconds!",
    (SELECT count(*) FROM tally.jobs j WHERE j.state = 'claimed' AND j.lease_id = l.lease_id) AS "held!"
FROM tally.job_leases l
ORDER BY l.started_at DESC, l.lease_id
