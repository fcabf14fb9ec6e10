-- Deletes caches that nobody has rebuilt since they expired, past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM public.dashboard_cache WHERE (user_id, cache_key) IN (
    SELECT c.user_id, c.cache_key FROM public.dashboard_cache c
    WHERE c.expires_at < now() - make_interval(days => $1) LIMIT 10000)
