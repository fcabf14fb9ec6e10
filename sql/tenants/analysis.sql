-- Returns how tenant $1's leads are analysed, its scales, and what its present day has cost.
SELECT u.id AS user_id, u.timezone, u.score_scale, u.dimension_scale, u.hot_threshold_percent, u.warm_threshold_percent,
       u.cold_threshold_percent, coalesce(s.provider, 'off') AS "provider!", s.base_url AS "base_url?", s.model AS "model?",
       s.sealed_api_key IS NOT NULL AS "has_api_key!", s.max_output_tokens AS "max_output_tokens?",
       s.input_price_micros AS "input_price_micros?", s.output_price_micros AS "output_price_micros?",
       s.daily_cap_micros AS "daily_cap_micros?", s.concurrency AS "concurrency?",
       coalesce((SELECT p.spent_micros FROM tally.analysis_spend p
                 WHERE p.user_id = u.id AND p.spent_on = (now() AT TIME ZONE u.timezone)::date), 0) AS "spent_today_micros!"
FROM public.users u
LEFT JOIN tally.analysis_settings s ON s.user_id = u.id
WHERE u.id = $1
