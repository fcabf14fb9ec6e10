-- Returns what is cached for the tenant $1 under the key $2, and whether it still holds.
SELECT cache_data, generation, updated_at, expires_at > now() AS "is_current!"
FROM public.dashboard_cache
WHERE user_id = $1 AND cache_key = $2
