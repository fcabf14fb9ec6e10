-- Deletes caches that nobody has rebuilt for a day after they expired, at most 10,000; returns nothing.
DELETE FROM public.dashboard_cache WHERE (user_id, cache_key) IN (
    SELECT c.user_id, c.cache_key FROM public.dashboard_cache c WHERE c.expires_at < now() - interval '1 day' LIMIT 10000)
