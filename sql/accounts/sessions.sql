-- Returns the sessions of account $1 that can still be used, the last used first.
SELECT id AS "id!", created_at AS "created_at!", last_used_at AS "last_used_at!", host(ip_address) AS address, user_agent,
    greatest(expires_at, refresh_expires_at) AS "ends_at!"
FROM public.user_sessions
WHERE user_id = $1 AND is_active AND greatest(expires_at, refresh_expires_at) > now()
ORDER BY last_used_at DESC, id
LIMIT 500
