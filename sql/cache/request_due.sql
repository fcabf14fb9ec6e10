-- Asks for the caches of active tenants that have none or whose cache has expired; returns how many.
SELECT count(tally.request_job('rebuild_dashboards', 'tenant', u.id)) AS "requests!"
FROM public.users u
LEFT JOIN public.dashboard_cache c ON c.user_id = u.id AND c.cache_key = 'overview'
WHERE u.is_active AND (c.expires_at IS NULL OR c.expires_at <= now() + interval '5 minutes')
