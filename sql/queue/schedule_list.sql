-- Returns the schedules, or $1 alone, with the last fire of the clock and the time of the database.
SELECT s.name, s.kind, s.queue, s.priority, s.max_attempts, s.cron, s.timezone, s.payload, s.missed, s.catch_up_max,
    s.catch_up_within_seconds, s.overlap, s.gap, s.fold, s.jitter_seconds, s.paused_at, s.paused_reason, s.next_fire_at,
    f.fire_at AS "last_fire_at?", f.outcome AS "last_outcome?", f.job_id AS "last_job_id?", now() AS "now!"
FROM tally.schedules s
LEFT JOIN LATERAL (
    SELECT fire_at, outcome, job_id FROM tally.schedule_fires f WHERE f.schedule = s.name AND NOT manual
    ORDER BY fire_at DESC LIMIT 1
) f ON true
WHERE $1::text IS NULL OR s.name = $1
ORDER BY s.name
