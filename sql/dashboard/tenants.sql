-- Returns the first $1 tenants by name, for the picker; accounts that only run things are none.
SELECT id, name, is_active
FROM public.users u
WHERE role = 'user' OR EXISTS (SELECT FROM public.agents a WHERE a.user_id = u.id)
ORDER BY lower(name), id
LIMIT $1
