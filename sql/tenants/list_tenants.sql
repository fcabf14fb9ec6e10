-- Every tenant, by name, with the number of its agents.
SELECT u.id AS user_id, u.name, u.email, u.timezone, u.currency, u.score_scale, u.dimension_scale,
    u.billing_pulse_seconds, u.credits_per_minute_micros, u.credits_micros, u.is_active,
    (SELECT count(*) FROM public.agents a WHERE a.user_id = u.id) AS "agents!", u.created_at
FROM public.users u
ORDER BY u.name, u.id
