-- Returns up to $4 tenants after the one named $1 with id $2, by name; whose name or e-mail holds $3 (all when null).
SELECT u.id AS "id!", u.name AS "name!", u.email AS "email!", u.timezone AS "timezone!", u.currency::text AS "currency!",
       u.credits_micros AS "credits_micros!", u.is_active AS "is_active!",
       (SELECT max(a.bucket_start) FROM public.user_analytics a WHERE a.user_id = u.id AND a.grain = 'hour') AS last_hour
FROM public.users u
WHERE (u.role = 'user' OR EXISTS (SELECT FROM public.agents a WHERE a.user_id = u.id))
  AND (lower(u.name), u.id) > (lower($1), $2::uuid)
  AND ($3::text IS NULL OR position(lower($3) IN lower(u.name || ' ' || u.email)) > 0)
ORDER BY lower(u.name), u.id
LIMIT $4
