-- Returns what is set of the given tenants. Read under their lanes: who changes thresholds and then takes the lane finds
-- every lead either written already, or to be written by the new ones.
SELECT u.id AS user_id, u.default_country_code, u.score_scale, u.dimension_scale, u.hot_threshold_percent, u.warm_threshold_percent,
       u.cold_threshold_percent, u.billing_pulse_seconds, u.credits_per_minute_micros,
       coalesce((SELECT s.provider FROM tally.analysis_settings s WHERE s.user_id = u.id), 'off') AS "analysis_provider!"
FROM public.users u
WHERE u.id = ANY($1)
