-- Opens session $2 of account $1: token $3 for $4 seconds, refresh token $5 for $6; address $7, browser $8.
INSERT INTO public.user_sessions
    (user_id, id, token_hash, expires_at, refresh_token_hash, refresh_expires_at, ip_address, user_agent)
VALUES ($1, $2, $3, now() + $4::float8 * interval '1 second', $5, now() + $6::float8 * interval '1 second',
    $7::text::inet, $8)
