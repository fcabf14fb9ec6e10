-- Returns the events in quarantine by reason, most first, and for how long the oldest of each has been there.
SELECT reason, count(*) AS "events!", extract(epoch FROM now() - min(created_at))::float8 AS "oldest_seconds!"
FROM tally.quarantine
GROUP BY reason
ORDER BY count(*) DESC, reason
