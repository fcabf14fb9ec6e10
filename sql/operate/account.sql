-- Returns account $1 as the list of accounts has it.
SELECT u.id AS "user_id!", u.email AS "email!", u.name AS "name!", u.role AS "role!", u.is_active AS "is_active!",
    u.password_hash IS NOT NULL AS "has_password!", u.last_login, u.created_at AS "created_at!",
    (SELECT count(*) FROM public.user_sessions s
     WHERE s.user_id = u.id AND s.is_active AND greatest(s.expires_at, s.refresh_expires_at) > now()) AS "sessions!",
    (SELECT count(*) FROM tally.api_tokens t WHERE t.user_id = u.id AND t.revoked_at IS NULL) AS "tokens!"
FROM tally.user_emails e
JOIN public.users u ON u.id = e.user_id
WHERE u.id = $1
