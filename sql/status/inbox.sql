-- Returns what waits in the inbox: events by state; what waits in spools, as far as they have told; the age of the oldest.
SELECT count(*) FILTER (WHERE state = 'ready') AS "ready!",
       count(*) FILTER (WHERE state = 'waiting') AS "waiting!",
       (SELECT coalesce(sum(events), 0)::bigint FROM tally.spools) AS "spooled!",
       extract(epoch FROM now() - least(min(received_at), (SELECT min(oldest_received_at) FROM tally.spools)))::float8 AS oldest_seconds
FROM tally.inbox_pending
