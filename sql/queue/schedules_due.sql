-- Returns the schedules that will fire, with the seconds until then (negative: overdue), the longest overdue first.
SELECT name, extract(epoch FROM next_fire_at - now())::float8 AS "in_seconds!"
FROM tally.schedules
WHERE NOT paused AND next_fire_at IS NOT NULL
ORDER BY next_fire_at, name
