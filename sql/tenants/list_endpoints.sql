-- The tenant's endpoints, without what verifies their requests.
SELECT provider, endpoint, account_sid, allowed_ips::text[] AS "allowed_ips: Vec<String>", previous_expires_at, disabled_at
FROM tally.endpoints
WHERE user_id = $1
ORDER BY provider, created_at, endpoint
