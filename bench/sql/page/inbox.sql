-- Puts three webhooks a call of the last 48 hours of the tenant $1 into the inbox, applied ones.
INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body, received_at)
SELECT $1, 'bolna', 'bolna-' || md5($1::text), sha256(convert_to(c.id::text || s, 'UTF8')), convert_to(repeat('x', 500), 'UTF8'),
       least(c.started_at + make_interval(secs => 20 * s), now())
FROM public.calls c CROSS JOIN generate_series(1, 3) s
WHERE c.user_id = $1 AND c.started_at > now() - interval '48 hours'
