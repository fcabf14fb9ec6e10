-- Cancels what an endpoint was still to get. Who is sending to it has lost the claim. $1 tenant, $2 endpoint.
UPDATE tally.notification_deliveries d SET state = 'cancelled', claimed_until = NULL, finished_at = t.at
FROM (SELECT now() AS at) t
WHERE d.user_id = $1 AND d.endpoint_id = $2 AND d.state = 'pending'
