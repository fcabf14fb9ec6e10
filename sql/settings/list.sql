-- Returns the run-time settings that somebody has set.
SELECT config_key, config_value, is_encrypted, updated_at
FROM public.system_config
ORDER BY config_key
