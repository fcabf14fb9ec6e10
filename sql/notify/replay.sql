-- Sends again, from the first attempt on: what failed or was cancelled, or all of one notification. Only to endpoints that are enabled.
-- $1 tenant, $2 notification or null, $3 endpoint or null.
UPDATE tally.notification_deliveries d SET state = 'pending', attempts = 0, not_before = t.at, finished_at = NULL
FROM (SELECT now() AS at) t
WHERE d.user_id = $1 AND d.notification_id = coalesce($2, d.notification_id) AND d.endpoint_id = coalesce($3, d.endpoint_id)
  AND (d.state IN ('failed', 'cancelled') OR ($2 IS NOT NULL AND d.state = 'delivered'))
  AND EXISTS (
    SELECT FROM tally.notification_endpoints e WHERE e.user_id = d.user_id AND e.id = d.endpoint_id AND e.disabled_at IS NULL)
