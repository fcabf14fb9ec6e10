-- Returns $3 events in quarantine of the tenant $1 before the number $2, the newest first.
SELECT id, provider, reason, detail, received_at, created_at
FROM tally.quarantine
WHERE user_id = $1 AND id < $2
ORDER BY id DESC
LIMIT $3
