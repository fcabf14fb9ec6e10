-- Returns the contact of each given e-mail address, in whatever case, that exactly one contact of the tenant has.
-- $1 tenants, $2 addresses in lower case, in parallel arrays without repetition.
SELECT k.user_id AS "user_id!", k.email AS "email!", c.id AS "id!"
FROM unnest($1::uuid[], $2::text[]) AS k (user_id, email)
CROSS JOIN LATERAL (
    SELECT min(x.id::text)::uuid AS id FROM public.contacts x
    WHERE x.user_id = k.user_id AND lower(x.email) = k.email
    HAVING count(*) = 1
) c
