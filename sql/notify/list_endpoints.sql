-- Returns the endpoints of a tenant, oldest first, without their keys. $1 tenant.
SELECT e.id, e.url, e.kinds, e.created_at, e.previous_expires_at, e.disabled_at, e.disabled_reason, e.failures,
       count(d.state) FILTER (WHERE d.state = 'pending') AS "pending!",
       count(d.state) FILTER (WHERE d.state = 'failed') AS "failed!"
FROM tally.notification_endpoints e
LEFT JOIN tally.notification_deliveries d ON d.user_id = e.user_id AND d.endpoint_id = e.id
WHERE e.user_id = $1
GROUP BY e.user_id, e.id
ORDER BY e.created_at, e.id
