-- Returns who holds session $2 of account $1 with the token $3, while both are good.
SELECT u.id AS "user_id!", u.email AS "email!", u.name AS "name!", u.role AS "role!",
    s.last_used_at < now() - interval '1 minute' AS "is_idle!"
FROM public.user_sessions s
JOIN public.users u ON u.id = s.user_id
WHERE s.user_id = $1 AND s.id = $2 AND s.token_hash = $3 AND s.is_active AND s.expires_at > now() AND u.is_active
