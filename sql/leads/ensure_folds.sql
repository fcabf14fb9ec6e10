-- Makes the rows whose locks serialise the folds of contacts. $1 tenants, $2 contacts.
INSERT INTO tally.contact_analyses (user_id, contact_id)
SELECT c.user_id, c.id
FROM public.contacts c
WHERE (c.user_id, c.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY c.user_id, coalesce(c.phone_e164, c.phone_number)
ON CONFLICT DO NOTHING
