-- Deletes fires of schedules past the retention of jobs, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.schedule_fires WHERE (schedule, fire_at, fire_id) IN (
    SELECT f.schedule, f.fire_at, f.fire_id FROM tally.schedule_fires f
    WHERE f.fired_at < now() - make_interval(days => $1) LIMIT 10000)
