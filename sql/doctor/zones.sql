-- Returns the tenants whose time zone the server does not know, with the command that changes it.
SELECT format('%s of tenant %s', u.timezone, u.id), format('tallyline tenant set %s --timezone UTC', u.id)
FROM public.users u
WHERE u.timezone NOT IN (SELECT z.name FROM pg_timezone_names z)
ORDER BY u.id
