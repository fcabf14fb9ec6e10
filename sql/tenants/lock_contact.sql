-- The contact of tenant $1 with the id $2, or with the number $3 as written or $4 in E.164; locked.
SELECT id FROM public.contacts
WHERE user_id = $1 AND (id = $2::uuid OR phone_e164 = $4::text OR phone_number IN ($3::text, $4::text))
ORDER BY phone_e164 = $4::text DESC NULLS LAST
LIMIT 1
FOR UPDATE
