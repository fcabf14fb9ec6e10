-- Returns the names of schedules that are due, the longest overdue first.
SELECT name FROM tally.schedules WHERE NOT paused AND next_fire_at <= now() ORDER BY next_fire_at, name
