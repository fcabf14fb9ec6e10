-- Locks the endpoint whose turn it is and that has something due, and returns it. While it is locked nobody else claims of it, so
-- that its requests can be counted. Failing ones come last and get one request at a time. $1 requests at once to one endpoint,
-- $2 whether a failing one may be picked.
SELECT e.user_id, e.id, e.failures > 0 AS "is_failing!"
FROM tally.notification_endpoints e
WHERE e.disabled_at IS NULL AND (e.failures = 0 OR $2)
  AND EXISTS (
    SELECT FROM tally.notification_deliveries d
    WHERE d.user_id = e.user_id AND d.endpoint_id = e.id AND d.state = 'pending' AND d.not_before <= now()
      AND (d.claimed_until IS NULL OR d.claimed_until <= now()))
  AND (
    SELECT count(*) FROM tally.notification_deliveries d
    WHERE d.user_id = e.user_id AND d.endpoint_id = e.id AND d.state = 'pending' AND d.claimed_until > now()
  ) < CASE WHEN e.failures > 0 THEN 1 ELSE $1::bigint END
ORDER BY e.failures > 0, e.turn, e.user_id, e.id
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED
