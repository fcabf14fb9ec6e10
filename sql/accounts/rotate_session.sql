-- Exchanges the refresh token $3 of session $2 of account $1 for new ones; returns the seconds that the new one holds.
-- $4 token for $5 seconds, $6 refresh token, which ends when the session does.
UPDATE public.user_sessions s
SET token_hash = $4,
    expires_at = least(now() + $5::float8 * interval '1 second', s.refresh_expires_at),
    previous_refresh_hash = s.refresh_token_hash,
    refresh_token_hash = $6,
    rotated_at = now(),
    last_used_at = now()
WHERE s.user_id = $1 AND s.id = $2 AND s.refresh_token_hash = $3 AND s.is_active AND s.refresh_expires_at > now()
    AND EXISTS (SELECT FROM public.users u WHERE u.id = s.user_id AND u.is_active)
RETURNING extract(epoch FROM s.refresh_expires_at - now())::float8 AS "refresh_seconds!"
