-- Returns the last 48 hours, the newest first: webhooks stored in each from $1 on (0 before it), entries of the quarantine made in it
-- that are still there, and whether no webhook can come into it any more.
SELECT h.hour AS "hour!", coalesce(i.received, 0) AS "received!", coalesce(q.quarantined, 0) AS "quarantined!",
       h.hour < now() - interval '70 minutes' AS "is_over!"
FROM generate_series(date_trunc('hour', now()) - interval '47 hours', date_trunc('hour', now()), interval '1 hour') AS h (hour)
LEFT JOIN (
    SELECT date_trunc('hour', received_at) AS hour, count(*) AS received
    FROM tally.inbox WHERE received_at >= greatest($1, date_trunc('hour', now()) - interval '47 hours')
    GROUP BY 1
) i ON i.hour = h.hour
LEFT JOIN (
    SELECT date_trunc('hour', created_at) AS hour, count(*) AS quarantined
    FROM tally.quarantine WHERE created_at >= date_trunc('hour', now()) - interval '47 hours'
    GROUP BY 1
) q ON q.hour = h.hour
ORDER BY h.hour DESC
