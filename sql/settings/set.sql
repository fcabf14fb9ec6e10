-- Sets a run-time setting. $1 key, $2 value, $3 description, $4 who.
INSERT INTO public.system_config AS s (config_key, config_value, description, updated_by)
VALUES ($1, $2, $3, $4)
ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value, description = EXCLUDED.description,
    is_encrypted = false, updated_by = EXCLUDED.updated_by
