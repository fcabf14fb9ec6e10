-- Returns what the page says of the tenant $1 itself.
SELECT id, name, currency::text AS "currency!", credits_micros
FROM public.users
WHERE id = $1
