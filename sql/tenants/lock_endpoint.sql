-- The tenant's newest endpoint for a provider, locked, and the database's time.
SELECT endpoint, clock_timestamp() AS "now!"
FROM tally.endpoints
WHERE user_id = $1 AND provider = $2 AND disabled_at IS NULL
ORDER BY created_at DESC, endpoint
LIMIT 1
FOR UPDATE
