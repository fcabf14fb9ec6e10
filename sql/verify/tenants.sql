-- Returns the tenants to check: tenant $1, or all when it is null.
SELECT id FROM public.users
WHERE $1::uuid IS NULL OR id = $1
ORDER BY id
