-- Returns the first $1 tenants by name, for the picker.
SELECT id, name, is_active
FROM public.users
ORDER BY lower(name), id
LIMIT $1
