-- Returns all that the page of tenant $1 says of it.
SELECT u.name AS "name!", u.email AS "email!", u.role AS "role!", u.timezone AS "timezone!", u.currency::text AS "currency!",
       u.credits_micros AS "credits_micros!", u.credits_per_minute_micros AS "credits_per_minute_micros!",
       u.billing_pulse_seconds AS "billing_pulse_seconds!", u.is_active AS "is_active!", u.created_at AS "created_at!", u.last_login,
       (SELECT count(*) FROM public.agents a WHERE a.user_id = u.id) AS "agents!",
       (SELECT count(*) FROM tally.inbox_pending p WHERE p.user_id = u.id) AS "inbox!",
       (SELECT count(*) FROM tally.quarantine q WHERE q.user_id = u.id) AS "quarantined!",
       (SELECT count(*) FROM tally.rollup_marks m WHERE m.user_id = u.id) AS "marks!"
FROM public.users u
WHERE u.id = $1
