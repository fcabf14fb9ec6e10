-- Disables an endpoint; changes nothing when it is disabled. $1 tenant, $2 endpoint, $3 reason.
UPDATE tally.notification_endpoints e SET disabled_at = t.at, disabled_reason = $3
FROM (SELECT now() AS at) t
WHERE e.user_id = $1 AND e.id = $2 AND e.disabled_at IS NULL
