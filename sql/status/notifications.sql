-- Returns one row: deliveries to enabled endpoints that are still to come or have failed, and the age of the oldest that is due.
SELECT count(*) FILTER (WHERE d.state = 'pending') AS "pending!",
       count(*) FILTER (WHERE d.state = 'failed') AS "failed!",
       extract(epoch FROM now() - min(d.not_before) FILTER (WHERE d.state = 'pending' AND d.not_before <= now()))::float8 AS oldest_due_seconds
FROM tally.notification_endpoints e
JOIN tally.notification_deliveries d ON d.user_id = e.user_id AND d.endpoint_id = e.id AND d.state IN ('pending', 'failed')
WHERE e.disabled_at IS NULL
