-- Returns the leases of processes with what they hold, the newest first.
SELECT l.lease_id, l.label, l.started_at, l.beat_at, l.queues, l.expires_at > now() AS "alive!",
    extract(epoch FROM now() - l.started_at)::float8 AS "age_seconds!",
    extract(epoch FROM now() - l.beat_at)::float8 AS "beat_age_seconds!",
    coalesce(j.held, 0) AS "held!"
FROM tally.job_leases l
LEFT JOIN (SELECT lease_id, count(*) AS held FROM tally.jobs WHERE state = 'claimed' GROUP BY lease_id) j
    ON j.lease_id = l.lease_id
ORDER BY l.started_at DESC, l.lease_id
