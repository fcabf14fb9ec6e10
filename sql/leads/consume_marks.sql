-- Takes the marks of the given contacts. $1 tenants, $2 contacts.
DELETE FROM tally.lead_marks m
USING unnest($1::uuid[], $2::uuid[]) AS k (user_id, contact_id)
WHERE m.user_id = k.user_id AND m.contact_id = k.contact_id
