-- Keeps the given contacts from going while rows that point at them are written; in the order in which events take contacts.
-- $1 tenants, $2 contacts.
SELECT c.id
FROM public.contacts c
WHERE (c.user_id, c.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY c.user_id, coalesce(c.phone_e164, c.phone_number)
FOR KEY SHARE
