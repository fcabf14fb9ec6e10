-- Asks for the overviews of active tenants: now, where there is none, else for the moment at which it expires, if that is
-- before the next look. Returns how many. In the order in which roll-ups ask, so that neither waits for the other in a circle.
SELECT count(tally.request_job('rebuild_dashboards', 'tenant', d.id, d.wait)) AS "requests!"
FROM (
    SELECT u.id, greatest(coalesce(c.expires_at, now()) - now(), interval '0') AS wait
    FROM public.users u
    LEFT JOIN public.dashboard_cache c ON c.user_id = u.id AND c.cache_key = 'overview'
    WHERE u.is_active AND (c.expires_at IS NULL OR c.expires_at <= now() + interval '15 minutes')
    ORDER BY u.id
) d
