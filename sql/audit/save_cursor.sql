-- Remembers the tenant whose turn was last; returns nothing. $1 its id.
INSERT INTO public.system_config AS c (config_key, config_value, description)
VALUES ('audit_cursor', $1::uuid::text, 'The tenant that audit_rollups looked at last.')
ON CONFLICT (config_key) DO UPDATE SET config_value = EXCLUDED.config_value
