-- Returns when all tenants were last verified in full, Unix time; no row when they never were.
SELECT config_value::float8 AS "at!" FROM public.system_config WHERE config_key = 'last_full_verify'
