-- Returns the tenant $1 itself, with how its calls are charged and its leads rated.
SELECT id, name, email, timezone, currency::text AS "currency!", is_active, credits_micros, created_at, billing_pulse_seconds,
       credits_per_minute_micros, score_scale, dimension_scale, hot_threshold_percent, warm_threshold_percent, cold_threshold_percent
FROM public.users
WHERE id = $1
