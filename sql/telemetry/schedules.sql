-- Returns per schedule when a job of its ten newest fires last succeeded; the time of the oldest of them when none did; that of
-- the schedule's last change when it has not fired.
SELECT s.name, s.cron, s.timezone, extract(epoch FROM coalesce(f.succeeded_at, f.oldest_fire_at, s.updated_at))::float8 AS "success!"
FROM tally.schedules s
LEFT JOIN LATERAL (
    SELECT max(h.finished_at) AS succeeded_at, min(f.fire_at) AS oldest_fire_at
    FROM (
        SELECT job_id, fire_at FROM tally.schedule_fires WHERE schedule = s.name AND job_id IS NOT NULL ORDER BY fire_at DESC, fire_id DESC LIMIT 10
    ) f
    LEFT JOIN tally.job_history h ON h.job_id = f.job_id AND h.outcome = 'succeeded'
) f ON true
ORDER BY s.name
