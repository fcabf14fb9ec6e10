-- The new tenant's id.
INSERT INTO public.users (email, name, timezone, currency, score_scale, dimension_scale,
    billing_pulse_seconds, credits_per_minute_micros, credits_micros, default_country_code)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING id
