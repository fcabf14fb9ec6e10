-- Minutes between the fires of a schedule of every minute that have no fire.
SELECT concat_ws(' ', s.name, 'at', m.minute)
FROM tally.schedules s
CROSS JOIN LATERAL (
    SELECT min(f.fire_at) AS first, max(f.fire_at) AS last FROM tally.schedule_fires f WHERE f.schedule = s.name AND NOT f.manual
) seen
CROSS JOIN LATERAL generate_series(seen.first, seen.last, interval '1 minute') AS m (minute)
WHERE s.cron = '* * * * *'
    AND NOT EXISTS (SELECT FROM tally.schedule_fires f WHERE f.schedule = s.name AND f.fire_at = m.minute)
