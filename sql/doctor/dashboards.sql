-- Returns a row when a cache expired more than $1 seconds ago, with the command that rebuilds it.
SELECT format('%s caches, expired since %s', count(*), min(expires_at)::timestamp(0)), 'tallyline jobs enqueue rebuild_all_dashboards'
FROM public.dashboard_cache c
JOIN public.users u ON u.id = c.user_id AND u.is_active
HAVING min(c.expires_at) < now() - make_interval(secs => $1)
