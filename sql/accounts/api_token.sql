-- Returns who holds API token $2 of account $1 with the hash $3, while it is good.
SELECT u.id AS "user_id!", u.email AS "email!", u.name AS "name!", u.role AS "role!", t.may_change AS "may_change!",
    (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute') AS "is_idle!"
FROM tally.api_tokens t
JOIN public.users u ON u.id = t.user_id
WHERE t.user_id = $1 AND t.id = $2 AND t.token_hash = $3 AND t.revoked_at IS NULL
    AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.is_active
