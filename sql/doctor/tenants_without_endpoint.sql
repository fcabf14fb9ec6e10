-- Returns the active tenants without an endpoint in use, with the command that makes one that was closed usable again. The
-- command line has a row of its own among them, which is none.
SELECT format('tenant %s', u.id),
       format('psql "$DATABASE_URL" -c ''SET ROLE tallyline_worker'' -c "UPDATE tally.endpoints SET disabled_at = NULL WHERE user_id = ''%s''"', u.id)
FROM public.users u
WHERE u.is_active AND u.role = 'user' AND u.id <> '00000000-0000-0000-0000-000000000001'
  AND NOT EXISTS (SELECT FROM tally.endpoints e WHERE e.user_id = u.id AND e.disabled_at IS NULL)
ORDER BY u.id
