-- Returns the tokens that end within $1 seconds, with the command that makes another.
SELECT format('%s of %s, on %s', t.name, u.email, t.expires_at::timestamp(0)),
       format('tallyline account add-token %s --name %s --days 90',
              CASE WHEN u.email ~ '^[A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+$' THEN u.email ELSE 'EMAIL' END,
              CASE WHEN t.name ~ '^[A-Za-z0-9_.]+$' THEN t.name ELSE 'NAME' END)
FROM tally.api_tokens t
JOIN public.users u ON u.id = t.user_id
WHERE t.revoked_at IS NULL AND t.expires_at BETWEEN now() AND now() + make_interval(secs => $1)
ORDER BY t.expires_at
