-- Nothing; limits the endpoints of a provider to these addresses, null: to none.
UPDATE tally.endpoints
SET allowed_ips = $3::text[]::inet[]
WHERE user_id = $1 AND provider = $2
