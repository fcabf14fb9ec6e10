-- Remembers when all tenants were verified in full, which is now; returns nothing.
INSERT INTO public.system_config AS c (config_key, config_value, description)
VALUES ('last_full_verify', extract(epoch FROM clock_timestamp())::text, 'When verify_rollups last verified every tenant, Unix time.')
ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value
