-- Gives an endpoint a new key; the one that it replaces signs too for $4 seconds. $1 tenant, $2 endpoint, $3 sealed key.
UPDATE tally.notification_endpoints e
SET sealed_key = $3, previous_sealed_key = e.sealed_key, previous_expires_at = t.at + make_interval(secs => $4)
FROM (SELECT now() AS at) t
WHERE e.user_id = $1 AND e.id = $2
