-- Returns $3 tenants by name, after the name $1 (in small letters) and id $2; from the first on where $1 is null. Accounts that only run things are none.
SELECT id, name, email, timezone, currency::text AS "currency!", is_active, credits_micros, created_at, lower(name) AS "sort_name!"
FROM public.users u
WHERE (role = 'user' OR EXISTS (SELECT FROM public.agents a WHERE a.user_id = u.id))
  AND ($1::text IS NULL OR (lower(name), id) > ($1, $2))
ORDER BY lower(name), id
LIMIT $3
