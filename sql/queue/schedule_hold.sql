-- Locks schedule $1, waiting for whoever holds it; returns it with the time of the database.
SELECT kind, queue, priority, max_attempts, cron, timezone, payload, missed, catch_up_max, catch_up_within_seconds,
    overlap, gap, fold, jitter_seconds, next_fire_at, now() AS "now!"
FROM tally.schedules
WHERE name = $1
FOR UPDATE
