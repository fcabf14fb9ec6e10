-- Returns the API tokens of account $1, the newest first.
SELECT id AS "id!", name AS "name!", may_change AS "may_change!", created_at AS "created_at!", expires_at, last_used_at,
    revoked_at
FROM tally.api_tokens
WHERE user_id = $1
ORDER BY created_at DESC, id
LIMIT 500
