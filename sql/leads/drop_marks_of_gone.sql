-- Drops marks of contacts that are gone; their complete rows went with them. Returns nothing. $1 tenants, $2 contacts.
DELETE FROM tally.lead_marks m
WHERE (m.user_id, m.contact_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
  AND NOT EXISTS (SELECT FROM public.contacts c WHERE c.user_id = m.user_id AND c.id = m.contact_id)
