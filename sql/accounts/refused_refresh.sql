-- What to make of a refresh token $3 that is not the present one of session $2 of account $1: whether it was exchanged within
-- the last $4 seconds. Any other use of an old one is somebody else's: the session ends.
WITH session AS (
    SELECT s.user_id, s.id,
        s.previous_refresh_hash = $3 AND s.rotated_at > now() - $4::float8 * interval '1 second' AS is_twin
    FROM public.user_sessions s
    WHERE s.user_id = $1 AND s.id = $2 AND s.is_active AND s.refresh_expires_at > now() AND s.refresh_token_hash <> $3
), ended AS (
    UPDATE public.user_sessions s
    SET is_active = false
    FROM session
    WHERE s.user_id = session.user_id AND s.id = session.id AND session.is_twin IS NOT TRUE
)
SELECT u.id AS "user_id!", u.email AS "email!", u.name AS "name!", u.role AS "role!", session.is_twin IS TRUE AS "is_twin!"
FROM session
JOIN public.users u ON u.id = session.user_id AND u.is_active
