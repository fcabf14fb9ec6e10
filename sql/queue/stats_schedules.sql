-- Returns per schedule its next fire, its last one by the clock and what came of that.
SELECT s.name, s.kind, s.cron, s.timezone, s.paused, s.next_fire_at,
    f.fire_at AS "last_fire_at?", f.outcome AS "last_outcome?", f.job_id AS "last_job_id?"
FROM tally.schedules s
LEFT JOIN LATERAL (
    SELECT fire_at, outcome, job_id FROM tally.schedule_fires f WHERE f.schedule = s.name AND NOT manual
    ORDER BY fire_at DESC LIMIT 1
) f ON true
ORDER BY s.name
