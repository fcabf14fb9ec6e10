-- Sets how tenant $1's leads are analysed; what is null stays as it is. $9: whether there is no cap any more.
INSERT INTO tally.analysis_settings AS s (user_id, provider, base_url, model, sealed_api_key, max_output_tokens, input_price_micros,
    output_price_micros, daily_cap_micros, concurrency)
VALUES ($1, coalesce($2, 'off'), $3, $4, $5, coalesce($6, 1000), $7, $8, $10, coalesce($11, 2))
ON CONFLICT (user_id) DO UPDATE SET
    provider = coalesce($2, s.provider), base_url = coalesce($3, s.base_url), model = coalesce($4, s.model),
    sealed_api_key = coalesce($5, s.sealed_api_key), max_output_tokens = coalesce($6, s.max_output_tokens),
    input_price_micros = coalesce($7, s.input_price_micros), output_price_micros = coalesce($8, s.output_price_micros),
    daily_cap_micros = CASE WHEN $9 THEN NULL ELSE coalesce($10, s.daily_cap_micros) END,
    concurrency = coalesce($11, s.concurrency), updated_at = EXCLUDED.updated_at
RETURNING s.provider
