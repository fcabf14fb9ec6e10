-- Keeps the given calls from going while rows that point at them are written. $1 tenants, $2 calls.
SELECT c.id
FROM public.calls c
WHERE (c.user_id, c.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY c.user_id, c.id
FOR KEY SHARE
