-- Takes the given lanes that nobody else works on, to the end of the transaction; returns them with the tenant's settings.
SELECT l.user_id, u.default_country_code, u.score_scale, u.dimension_scale, u.hot_threshold_percent, u.warm_threshold_percent,
       u.cold_threshold_percent, u.billing_pulse_seconds, u.credits_per_minute_micros
FROM tally.lanes l
JOIN public.users u ON u.id = l.user_id
WHERE l.user_id = ANY($1)
ORDER BY l.user_id
FOR UPDATE OF l SKIP LOCKED
