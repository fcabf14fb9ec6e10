-- Returns what waits in the inbox: events by state and the age of the oldest.
SELECT count(*) FILTER (WHERE state = 'ready') AS "ready!",
       count(*) FILTER (WHERE state = 'waiting') AS "waiting!",
       extract(epoch FROM now() - min(received_at))::float8 AS oldest_seconds
FROM tally.inbox_pending
