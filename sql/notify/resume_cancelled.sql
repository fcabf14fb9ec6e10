-- Lets an endpoint have what was cancelled when it was disabled, from the first attempt on. $1 tenant, $2 endpoint.
UPDATE tally.notification_deliveries d SET state = 'pending', attempts = 0, not_before = t.at, finished_at = NULL
FROM (SELECT now() AS at) t
WHERE d.user_id = $1 AND d.endpoint_id = $2 AND d.state = 'cancelled'
